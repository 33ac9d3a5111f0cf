//! `document`: one row per document, deleted ones included.

use sea_orm::entity::prelude::*;

/// A document at its head version. A deleted one stays as a tombstone, without title and text, so
/// that its id and its versions are never used again.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Who made it.
    pub owner_id: Uuid,
    /// The title at `version`.
    pub title: String,
    /// 1 when made, one more with every accepted change.
    pub version: i64,
    /// One more whenever somebody's access changed.
    pub access_version: i64,
    /// UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// When `version` was made: UTC, whole microseconds.
    pub updated_at: DateTimeUtc,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTimeUtc>,
    /// How large the text at `version` is, in bytes of UTF-8.
    pub size: i64,
    /// The text at `version` of a document that was made before there were snapshots and has none yet; else empty.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// The row of `owner_id`.
    #[sea_orm(belongs_to, from = "owner_id", to = "id")]
    pub owner: BelongsTo<super::user::Entity>,
    /// Who else has access.
    #[sea_orm(has_many)]
    pub grants: HasMany<super::document_access::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
