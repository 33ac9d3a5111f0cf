//! `document_receipt`: edits that were accepted and changed nothing, so that repeating them changes nothing either.

use sea_orm::entity::prelude::*;

/// One such edit.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_receipt")]
pub struct Model {
    /// The document; the receipt goes with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// Who made the edit; the receipt goes with the account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub author_id: Uuid,
    /// The name that its client gave it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub edit_id: String,
    /// The version that it was answered with.
    pub version: i64,
    /// The title at that version.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// A digest of what it asked for.
    pub fingerprint: Vec<u8>,
    /// UTC, whole microseconds.
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
