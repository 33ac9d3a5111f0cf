//! `application_key`: the public keys of applications, which sign document tokens.

use sea_orm::entity::prelude::*;

/// One key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "application_key")]
pub struct Model {
    /// Its id, which the header of a token names.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The application: the `iss` claim of its tokens.
    pub application: String,
    /// The public key as a JWK (RFC 7517).
    pub key: String,
    /// When it was registered: UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// When it was removed, if it was: UTC, whole microseconds.
    pub removed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
