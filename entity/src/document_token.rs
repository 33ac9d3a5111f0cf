//! `document_token`: the document tokens that were used or ended, until they have expired.

use sea_orm::entity::prelude::*;

/// One token.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_token")]
pub struct Model {
    /// The id of its sign-in, derived from the application and the id of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sign_in_id: Uuid,
    /// The application that issued it.
    pub application: String,
    /// The key that it was signed with. Not known of a token that was ended before it was used.
    pub key_id: Option<String>,
    /// The account of its user. Not known of a token that was ended before it was used.
    pub user_id: Option<Uuid>,
    /// When the application ended it, if it has: UTC, whole microseconds.
    pub ended_at: Option<DateTimeUtc>,
    /// When it has expired, so that the row can be deleted: UTC, whole microseconds.
    pub kept_until: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
