//! `document_bin`: deleted documents that their owners can still bring back.

use sea_orm::entity::prelude::*;

/// One such document.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_bin")]
pub struct Model {
    /// The document, which has `deleted_at` but is no tombstone. Deleting its row deletes this one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The owner of the document.
    pub owner_id: Uuid,
    /// When it was deleted: UTC, whole microseconds.
    pub deleted_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
