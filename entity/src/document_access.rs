//! `document_access`: who, besides the owner, may do what with a document.

use sea_orm::entity::prelude::*;

use super::Level;

/// One grant. The document's owner has none: `document.owner_id` says it all.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_access")]
pub struct Model {
    /// The document; the grant goes with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// Who was granted access; the grant goes with the account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// What the user may do.
    pub level: Level,
    /// When this level was granted: UTC, whole microseconds.
    pub granted_at: DateTimeUtc,
    /// The row of `document_id`.
    #[sea_orm(belongs_to, from = "document_id", to = "id", on_delete = "Cascade")]
    pub document: BelongsTo<super::document::Entity>,
    /// The row of `user_id`.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
