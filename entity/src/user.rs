//! `user`: one row per account.

use sea_orm::entity::prelude::*;

/// An account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// UUIDv7, or whatever UUID an outside identity provider gave.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The name that others see.
    pub name: String,
    /// In lower case.
    #[sea_orm(unique)]
    pub email: String,
    /// PHC string; null for an account that signs in elsewhere.
    pub password_hash: Option<String>,
    /// UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// The documents that this user made.
    #[sea_orm(has_many)]
    pub documents: HasMany<super::document::Entity>,
    /// What others let this user do.
    #[sea_orm(has_many)]
    pub grants: HasMany<super::document_access::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
