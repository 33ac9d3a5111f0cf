//! From rows to the domain and back: the only place where the two meet.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use entity::{Level, document, document_access, document_change, user};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, RelationDef,
    RelationTrait, Select,
    sea_query::{Expr, ExprTrait, IntoCondition},
};
use uuid::Uuid;

use crate::domain::{AccessLevel, Account, ChangeKind, Document, UserId, Version};

/// The present time as it is stored: in whole microseconds, which every database keeps.
///
/// SQLite holds times as RFC 3339 text with 0, 3, 6 or 9 digits after the second; compared as text,
/// these sort as the times do, because the offset's `+` sorts before every digit.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// A granted level, as the domain calls it.
pub(super) const fn access_level(level: Level) -> AccessLevel {
    match level {
        Level::View => AccessLevel::View,
        Level::Edit => AccessLevel::Edit,
        Level::Owner => AccessLevel::Owner,
    }
}

/// A level, as it is stored.
pub(super) const fn level(level: AccessLevel) -> Level {
    match level {
        AccessLevel::View => Level::View,
        AccessLevel::Edit => Level::Edit,
        AccessLevel::Owner => Level::Owner,
    }
}

/// What a stored change did.
pub(super) const fn change_kind(kind: document_change::Kind) -> ChangeKind {
    match kind {
        document_change::Kind::Edited => ChangeKind::Edited,
        document_change::Kind::Renamed => ChangeKind::Renamed,
        document_change::Kind::Deleted => ChangeKind::Deleted,
    }
}

/// What a change did, as it is stored. A resync is told and never stored: it changes no text.
pub(super) const fn stored_kind(kind: ChangeKind) -> document_change::Kind {
    match kind {
        ChangeKind::Edited | ChangeKind::Resync => document_change::Kind::Edited,
        ChangeKind::Renamed => document_change::Kind::Renamed,
        ChangeKind::Deleted => document_change::Kind::Deleted,
    }
}

/// What `viewer` may do with a document of `owner`, given what was granted to him.
pub(super) fn level_of(viewer: UserId, owner: Uuid, granted: Option<Level>) -> Option<AccessLevel> {
    if viewer.uuid() == owner { Some(AccessLevel::Owner) } else { granted.map(access_level) }
}

/// An account as its own user sees it.
pub(super) fn account(row: user::Model) -> Account {
    Account {
        id: UserId::from(row.id),
        name: row.name.into(),
        email: row.email,
        created_at: row.created_at,
    }
}

/// A document that is not deleted, and what one user was granted on it.
#[derive(FromQueryResult)]
pub(super) struct DocumentRow {
    id: Uuid,
    owner_id: Uuid,
    pub(super) title: String,
    pub(super) version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    size: i64,
    level: Option<Level>,
}

impl DocumentRow {
    /// All columns of the row; `documents` comes from [`seen_by`].
    pub(super) fn select(documents: Select<document::Entity>) -> Select<document::Entity> {
        documents
            .columns([
                document::Column::Id,
                document::Column::OwnerId,
                document::Column::Title,
                document::Column::Version,
                document::Column::CreatedAt,
                document::Column::UpdatedAt,
                document::Column::Size,
            ])
            .column(document_access::Column::Level)
    }

    /// What the user for whom the row was read may do.
    pub(super) fn level(&self, viewer: UserId) -> Option<AccessLevel> {
        level_of(viewer, self.owner_id, self.level)
    }

    /// The document itself.
    pub(super) fn into_document(self) -> Document {
        Document {
            id: self.id.into(),
            title: Arc::from(self.title),
            size: usize::try_from(self.size).unwrap_or(0),
            version: Version::new(self.version),
            owner: self.owner_id.into(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Documents that are not deleted, joined with what `viewer` was granted; no columns yet.
pub(super) fn seen_by(viewer: UserId) -> Select<document::Entity> {
    document::Entity::find()
        .select_only()
        .join(JoinType::LeftJoin, grant_of(viewer))
        .filter(document::Column::DeletedAt.is_null())
}

/// The join from documents to what `user` was granted on them.
pub(super) fn grant_of(user: UserId) -> RelationDef {
    document::Relation::DocumentAccess.def().on_condition(move |_documents, grants| {
        Expr::col((grants, document_access::Column::UserId)).eq(user.uuid()).into_condition()
    })
}
