//! `document_key`: names of documents that applications have chosen.

use sea_orm::entity::prelude::*;

/// The key of a document.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_key")]
pub struct Model {
    /// The document. Deleting its row deletes the key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The key, which no other document has.
    #[sea_orm(unique)]
    pub key: String,
}

impl ActiveModelBehavior for ActiveModel {}
