//! `redeemed_ticket`: tickets that were redeemed, so that no node accepts them again.

use sea_orm::entity::prelude::*;

/// One ticket.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "redeemed_ticket")]
pub struct Model {
    /// The ticket.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When it has expired by the clock of every node, so that the row can be deleted: UTC, whole microseconds.
    pub expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
