//! `document_change`: the change log, one row per version after the first.

use sea_orm::entity::prelude::*;

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub enum Kind {
    /// The text changed.
    #[sea_orm(string_value = "edited")]
    Edited,
    /// The title changed.
    #[sea_orm(string_value = "renamed")]
    Renamed,
    /// The document was deleted, together with its earlier changes.
    #[sea_orm(string_value = "deleted")]
    Deleted,
    /// The document began a new Yjs history, with the snapshot of this version. Neither text nor title changed.
    #[sea_orm(string_value = "compacted")]
    Compacted,
}

/// One accepted change.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_change")]
pub struct Model {
    /// The document. Deleting its row deletes the change.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The version that the change created.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The kind of the change.
    pub kind: Kind,
    /// The author. Null after the account was deleted, and of a compaction.
    pub author_id: Option<Uuid>,
    /// The session that sent it, if known.
    pub session_id: Option<Uuid>,
    /// The id of its edit, unique per document and author. If an edit created several versions, the last one has it.
    pub edit_id: Option<String>,
    /// A digest of what the edit requested. Set together with `edit_id`.
    pub fingerprint: Option<Vec<u8>>,
    /// The title at `version`.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// When it was stored: UTC, whole microseconds.
    pub at: DateTimeUtc,
    /// The change of the text as JSON in the Quill Delta format. Null if the text did not change.
    #[sea_orm(column_type = "Text", nullable)]
    pub delta: Option<String>,
    /// The same change as a Yjs v1 update.
    pub update: Option<Vec<u8>>,
    /// The first of the versions whose changes it takes back. Null of every other change.
    pub taken_from: Option<i64>,
    /// The last one. Set together with `taken_from`.
    pub taken_to: Option<i64>,
    /// The row of `author_id`.
    #[sea_orm(belongs_to, from = "author_id", to = "id", on_delete = "SetNull")]
    pub author: BelongsTo<Option<super::user::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}
