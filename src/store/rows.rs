//! Conversions between rows of the database and values of `domain`.

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

/// Returns the present time in whole microseconds, the precision that both databases store.
///
/// SQLite stores times as RFC 3339 text with 0, 3, 6 or 9 fractional digits. The texts sort like the times, because the
/// `+` of the offset sorts before every digit.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Converts a stored level.
pub(super) const fn access_level(level: Level) -> AccessLevel {
    match level {
        Level::View => AccessLevel::View,
        Level::Edit => AccessLevel::Edit,
        Level::Owner => AccessLevel::Owner,
    }
}

/// Converts a level for storage.
pub(super) const fn stored_level(level: AccessLevel) -> Level {
    match level {
        AccessLevel::View => Level::View,
        AccessLevel::Edit => Level::Edit,
        AccessLevel::Owner => Level::Owner,
    }
}

/// Converts the stored kind of a change.
pub(super) const fn change_kind(kind: document_change::Kind) -> ChangeKind {
    match kind {
        document_change::Kind::Edited => ChangeKind::Edited,
        document_change::Kind::Renamed => ChangeKind::Renamed,
        document_change::Kind::Deleted => ChangeKind::Deleted,
        document_change::Kind::Compacted => ChangeKind::Compacted,
    }
}

/// Converts the kind of a change for storage. A resync is sent to subscribers but never stored, as it changes no text.
pub(super) const fn stored_kind(kind: ChangeKind) -> document_change::Kind {
    match kind {
        ChangeKind::Edited | ChangeKind::Resync => document_change::Kind::Edited,
        ChangeKind::Renamed => document_change::Kind::Renamed,
        ChangeKind::Deleted => document_change::Kind::Deleted,
        ChangeKind::Compacted => document_change::Kind::Compacted,
    }
}

/// Returns the level of `viewer` on a document of `owner`, given the level that was granted to them.
pub(super) fn effective_level(
    viewer: UserId,
    owner: Uuid,
    granted: Option<Level>,
) -> Option<AccessLevel> {
    if viewer.uuid() == owner { Some(AccessLevel::Owner) } else { granted.map(access_level) }
}

/// Converts an account.
pub(super) fn account(row: user::Model) -> Account {
    Account {
        id: UserId::from(row.id),
        name: row.name.into(),
        email: row.confirmed_email.unwrap_or(row.email),
        created_at: row.created_at,
        generation: row.generation,
    }
}

/// A document that is not deleted, and the level that one user was granted on it.
#[derive(FromQueryResult)]
pub(super) struct DocumentRow {
    id: Uuid,
    owner_id: Uuid,
    title: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    size: i64,
    level: Option<Level>,
}

impl DocumentRow {
    /// Selects all columns of the row. `documents` comes from [`documents_with_grant`].
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

    /// Returns the level of the user for whom the row was read.
    pub(super) fn level(&self, viewer: UserId) -> Option<AccessLevel> {
        effective_level(viewer, self.owner_id, self.level)
    }

    /// Returns the document.
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

/// Selects documents that are not deleted, joined with the grant of `viewer`, without any columns yet.
pub(super) fn documents_with_grant(viewer: UserId) -> Select<document::Entity> {
    document::Entity::find()
        .select_only()
        .join(JoinType::LeftJoin, grant_join(viewer))
        .filter(document::Column::DeletedAt.is_null())
}

/// Returns the join from documents to the grants of `user` on them.
pub(super) fn grant_join(user: UserId) -> RelationDef {
    document::Relation::DocumentAccess.def().on_condition(move |_documents, grants| {
        Expr::col((grants, document_access::Column::UserId)).eq(user.uuid()).into_condition()
    })
}
