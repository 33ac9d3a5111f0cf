//! `group_access`: the access levels that were granted to groups.

use sea_orm::entity::prelude::*;

use super::Level;

/// One grant to all members of a group.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_access")]
pub struct Model {
    /// The document. Deleting its row deletes the grant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The group. Deleting its row deletes the grant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub group_id: Uuid,
    /// The level.
    pub level: Level,
    /// When this level was granted: UTC, whole microseconds.
    pub granted_at: DateTimeUtc,
    /// When the grant ends, if it ends by itself: UTC, whole microseconds.
    pub ends_at: Option<DateTimeUtc>,
    /// The row of `group_id`.
    #[sea_orm(belongs_to, from = "group_id", to = "id", on_delete = "Cascade")]
    pub group: BelongsTo<super::user_group::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
