//! `document_receipt`: edits that were accepted and changed nothing, so that repeating them returns the same result.

use sea_orm::entity::prelude::*;

/// One such edit.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_receipt")]
pub struct Model {
    /// The document. Deleting its row deletes the receipt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The author of the edit. Deleting the account deletes the receipt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub author_id: Uuid,
    /// The id that the client gave to the edit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub edit_id: String,
    /// The version that the author received as the result.
    pub version: i64,
    /// The title at that version.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// A digest of what the edit requested.
    pub fingerprint: Vec<u8>,
    /// When it was accepted: UTC, whole microseconds.
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
