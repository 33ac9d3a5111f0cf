//! `document_change`: the log of a document, one row per version after the first.

use sea_orm::entity::prelude::*;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub enum Kind {
    /// The text changed.
    #[sea_orm(string_value = "edited")]
    Edited,
    /// The title changed.
    #[sea_orm(string_value = "renamed")]
    Renamed,
    /// The document was deleted; its earlier changes went with it.
    #[sea_orm(string_value = "deleted")]
    Deleted,
}

/// One accepted change.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_change")]
pub struct Model {
    /// The document; the change goes with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The version that it made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// What it did.
    pub kind: Kind,
    /// Who made it; null when the account is gone.
    pub author_id: Option<Uuid>,
    /// The session that made it, if one is known.
    pub session_id: Option<Uuid>,
    /// The name of the edit that made it, unique per document and author. An edit that made several versions has
    /// it on the last of them.
    pub edit_id: Option<String>,
    /// A digest of what the edit asked for, where `edit_id` is.
    pub fingerprint: Option<Vec<u8>>,
    /// The title at `version`.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// UTC, whole microseconds.
    pub at: DateTimeUtc,
    /// Where the text changed: how, as JSON in the Quill Delta format.
    #[sea_orm(column_type = "Text", nullable)]
    pub delta: Option<String>,
    /// Where the text changed: the same as a Yjs v1 update.
    pub update: Option<Vec<u8>>,
    /// The row of `author_id`.
    #[sea_orm(belongs_to, from = "author_id", to = "id", on_delete = "SetNull")]
    pub author: BelongsTo<Option<super::user::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
