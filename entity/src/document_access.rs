//! `document_access`: the access levels of users other than the owner.

use sea_orm::entity::prelude::*;

use super::Level;

/// One grant. The owner of a document has none: `document.owner_id` names them.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_access")]
pub struct Model {
    /// The document. Deleting its row deletes the grant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The user who was granted access. Deleting the account deletes the grant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// The level that the user has.
    pub level: Level,
    /// When this level was granted: UTC, whole microseconds.
    pub granted_at: DateTimeUtc,
    /// When the grant ends, if it ends by itself: UTC, whole microseconds.
    pub ends_at: Option<DateTimeUtc>,
    /// The address that it was granted to, if it was granted to one, in lower case.
    pub email: Option<String>,
    /// The user who granted it. Null for grants from before this was stored. Their account may have been deleted since.
    pub granted_by: Option<Uuid>,
    /// When the user accepted it: UTC, whole microseconds. Null if they have not.
    pub accepted_at: Option<DateTimeUtc>,
    /// The row of `document_id`.
    #[sea_orm(belongs_to, from = "document_id", to = "id", on_delete = "Cascade")]
    pub document: BelongsTo<super::document::Entity>,
    /// The row of `user_id`.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
