//! `user`: one row per account.

use sea_orm::entity::prelude::*;

/// An account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// A UUIDv7, or the UUID that an external identity provider assigned.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The name that other users see.
    pub name: String,
    /// The e-mail address, in lower case.
    #[sea_orm(unique)]
    pub email: String,
    /// The hash of the password as a PHC string. Null if the user signs in through an identity provider.
    pub password_hash: Option<String>,
    /// When the account was created: UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// The e-mail address that is known to be the user's, in lower case. Null if none is.
    #[sea_orm(unique)]
    pub confirmed_email: Option<String>,
    /// How often all sign-ins of the user have ended.
    pub generation: i64,
    /// When all sign-ins of the user ended last: UTC, whole microseconds. Null if they never have.
    pub ended_at: Option<DateTimeUtc>,
    /// When an operator blocked the account. Null unless it is blocked.
    pub blocked_at: Option<DateTimeUtc>,
    /// How often an application has said that its rules for this user have changed.
    pub rules_version: i64,
    /// The link that a guest without an account came by. Null for all others.
    pub guest_of: Option<Uuid>,
    /// When a server last worked on the deletion of the account: UTC, whole microseconds. Null unless it is being deleted or was.
    pub erasing_at: Option<DateTimeUtc>,
    /// The user who receives the documents of the account that is being deleted. Null if they are deleted, too.
    pub heir_id: Option<Uuid>,
    /// When the account was deleted: UTC, whole microseconds. Its row stays, without anything about the user, because that of a
    /// deleted document refers to it.
    pub erased_at: Option<DateTimeUtc>,
    /// The documents that this user owns.
    #[sea_orm(has_many)]
    pub documents: HasMany<super::document::Entity>,
    /// The grants to this user on documents of others.
    #[sea_orm(has_many)]
    pub grants: HasMany<super::document_access::Entity>,
    /// How outside issuers name this user.
    #[sea_orm(has_many)]
    pub identities: HasMany<super::identity::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
