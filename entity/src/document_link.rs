//! `document_link`: invitations to documents, and links to them.

use sea_orm::entity::prelude::*;

use super::Level;

/// How a link gives access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum Kind {
    /// Who accepts it is granted access, which outlasts it.
    #[sea_orm(num_value = 1)]
    Invitation,
    /// Who opens it has access while it lasts.
    #[sea_orm(num_value = 2)]
    Secret,
    /// The same, and the id of the document suffices to open it.
    #[sea_orm(num_value = 3)]
    Public,
}

/// One invitation or link.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_link")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The document. Deleting its row deletes the link.
    pub document_id: Uuid,
    /// How it gives access.
    pub kind: Kind,
    /// The SHA-256 hash of its secret. Null if it has none.
    #[sea_orm(unique)]
    pub secret_hash: Option<Vec<u8>>,
    /// The level that it gives.
    pub level: Level,
    /// How often an invitation may still be accepted. Null without a limit.
    pub uses_left: Option<i32>,
    /// How many guests without an account may have it open at a time.
    pub max_guests: i32,
    /// The user who created it. Null after their account was deleted.
    pub created_by: Option<Uuid>,
    /// When it was created: UTC, whole microseconds.
    pub created_at: DateTimeUtc,
    /// When it ends, if it ends by itself: UTC, whole microseconds.
    pub ends_at: Option<DateTimeUtc>,
    /// When the access ends that an invitation grants, if it ends by itself: UTC, whole microseconds.
    pub access_ends_at: Option<DateTimeUtc>,
    /// When it was revoked: UTC, whole microseconds. The row is deleted when all access that it gave has ended.
    pub revoked_at: Option<DateTimeUtc>,
    /// The row of `document_id`.
    #[sea_orm(belongs_to, from = "document_id", to = "id", on_delete = "Cascade")]
    pub document: BelongsTo<super::document::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
