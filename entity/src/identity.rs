//! `identity`: the users of outside issuers, and their accounts.

use sea_orm::entity::prelude::*;

/// One user of one issuer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identity")]
pub struct Model {
    /// The `iss` claim of the issuer's tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    /// The `sub` claim of the user's tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The account. Deleting it deletes the identity.
    pub user_id: Uuid,
    /// The name in the last token that had another one than the token before. Null if no token had one.
    pub name: Option<String>,
    /// The verified e-mail address in the last token that had another one than the token before. Null if no token had one.
    pub email: Option<String>,
    /// When the token was issued whose name or address was stored last: UTC, whole microseconds. Those of older tokens are
    /// ignored.
    pub said_at: DateTimeUtc,
    /// When the first token of the user was seen: UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// When the token was issued whose groups were stored last: UTC, whole microseconds. Null if none had any. Those of older
    /// tokens are ignored.
    pub groups_at: Option<DateTimeUtc>,
    /// The row of `user_id`.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
