//! `document`: one row per document, including deleted ones.

use sea_orm::entity::prelude::*;

/// A document at its head version. A deleted document is in the bin of its owner first. When it is purged, it stays as a tombstone
/// without title and text, so that its id and versions are never reused.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The user who owns it: who created it, or to whom it was handed over.
    pub owner_id: Uuid,
    /// The title at `version`.
    pub title: String,
    /// 1 at creation. Every accepted change increments it.
    pub version: i64,
    /// 1 at creation. Every change of a user's access increments it, and so does the deletion.
    pub access_version: i64,
    /// When it was created: UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// When `version` was stored: UTC, whole microseconds.
    pub updated_at: DateTimeUtc,
    /// When it was deleted: UTC, whole microseconds. Null unless it is in a bin or a tombstone.
    pub deleted_at: Option<DateTimeUtc>,
    /// The size of the text at `version`, in bytes of UTF-8.
    pub size: i64,
    /// The text at `version` if the document was created before the server stored snapshots and has none yet. Otherwise
    /// empty.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// What the rows of the document take, in bytes: its change log, snapshots and receipts included. 0 for a tombstone.
    pub stored_bytes: i64,
    /// How often an application has said that its rules for this document have changed.
    pub rules_version: i64,
    /// The user who created it, if it was handed over since. Zeros if that account was deleted. Null if the owner created it.
    pub creator_id: Option<Uuid>,
    /// The row of `owner_id`.
    #[sea_orm(belongs_to, from = "owner_id", to = "id")]
    pub owner: BelongsTo<super::user::Entity>,
    /// The grants of other users.
    #[sea_orm(has_many)]
    pub grants: HasMany<super::document_access::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
