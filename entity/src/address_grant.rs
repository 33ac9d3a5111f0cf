//! `address_grant`: access that was granted to e-mail addresses that are nobody's yet.

use sea_orm::entity::prelude::*;

use super::Level;

/// One grant. It becomes one of `document_access` when the address is confirmed for an account.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "address_grant")]
pub struct Model {
    /// The document. Deleting its row deletes the grant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The address, in lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub email: String,
    /// The level.
    pub level: Level,
    /// The user who granted it. Their account may have been deleted since.
    pub granted_by: Uuid,
    /// When this level was granted: UTC, whole microseconds.
    pub granted_at: DateTimeUtc,
    /// When the grant ends, if it ends by itself: UTC, whole microseconds.
    pub ends_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
