//! `document_metadata`: what applications note about documents.

use sea_orm::entity::prelude::*;

/// The metadata of a document. A document whose metadata has no members has no row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_metadata")]
pub struct Model {
    /// The document. Deleting its row deletes this one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// A JSON object.
    #[sea_orm(column_type = "Text")]
    pub json: String,
    /// What this row and the labels take in `document.stored_bytes`.
    pub stored_bytes: i64,
}

impl ActiveModelBehavior for ActiveModel {}
