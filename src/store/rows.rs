//! Conversions between rows of the database and values of `domain`.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use entity::{
    Level, document, document_access, document_change, entitlement, group_access, group_member,
    user,
};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, RelationDef,
    RelationTrait, Select,
    sea_query::{Expr, ExprTrait, Func, IntoCondition, Query, UnionType},
};
use uuid::Uuid;

use super::{bin::select_binned, groups::is_member};
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

/// Returns the level of `viewer` on a document of `owner`, given the level that was granted to them and the highest
/// that they are entitled to.
pub(super) fn effective_level(
    viewer: UserId,
    owner: Uuid,
    granted: Option<Level>,
    entitled: Option<Level>,
) -> Option<AccessLevel> {
    let is_owner = viewer.uuid() == owner;
    if is_owner { Some(AccessLevel::Owner) } else { higher_level(granted, entitled) }
}

/// Returns the higher one of two levels.
pub(super) fn higher_level(one: Option<Level>, other: Option<Level>) -> Option<AccessLevel> {
    one.map(access_level).max(other.map(access_level))
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

/// A document that is not deleted or in the bin of its viewer, and the level that one user was granted on it.
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
    entitled_level: Option<Level>,
}

impl DocumentRow {
    /// Selects all columns of the row, for the documents that are not deleted.
    pub(super) fn select(viewer: UserId) -> Select<document::Entity> {
        Self::with_columns(documents_with_grant(viewer), viewer)
    }

    /// Selects all columns of the row, for the documents in the bin of `owner`.
    pub(super) fn select_binned(owner: UserId) -> Select<document::Entity> {
        let binned = document::Entity::find()
            .select_only()
            .join(JoinType::LeftJoin, grant_join(owner))
            .filter(document::Column::Id.in_subquery(select_binned(owner)));
        Self::with_columns(binned, owner)
    }

    fn with_columns(
        documents: Select<document::Entity>,
        viewer: UserId,
    ) -> Select<document::Entity> {
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
            .expr_as(entitled_level(viewer.uuid()), "entitled_level")
    }

    /// Returns the level of the user for whom the row was read.
    pub(super) fn level(&self, viewer: UserId) -> Option<AccessLevel> {
        effective_level(viewer, self.owner_id, self.level, self.entitled_level)
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

/// Returns the join from documents to the grants of `user` on them that have not ended.
pub(super) fn grant_join(user: UserId) -> RelationDef {
    document::Relation::DocumentAccess.def().on_condition(move |_documents, grants| {
        Expr::col((grants.clone(), document_access::Column::UserId))
            .eq(user.uuid())
            .and(has_not_ended(Expr::col((grants, document_access::Column::EndsAt))))
            .into_condition()
    })
}

/// Returns the condition that the time in a column is null or not past.
pub(super) fn has_not_ended(ends_at: Expr) -> Expr {
    ends_at.clone().is_null().or(ends_at.gt(now()))
}

/// Returns the highest level on the document of a query's row that a user is entitled to now, by an entitlement or by a
/// group. NULL without one.
pub(super) fn entitled_level(user: impl Into<Expr>) -> Expr {
    let (user, id) = (user.into(), (document::Entity, document::Column::Id));
    let mut levels = {
        use entitlement::Column;
        let column = |column: Column| Expr::col((entitlement::Entity, column));
        Query::select()
            .expr_as(column(Column::Level), LEVEL)
            .from(entitlement::Entity)
            .and_where(column(Column::DocumentId).equals(id))
            .and_where(column(Column::UserId).eq(user.clone()))
            .and_where(has_not_ended(column(Column::EndsAt)))
            .take()
    };
    let column = |column: group_access::Column| Expr::col((group_access::Entity, column));
    let member = |column: group_member::Column| Expr::col((group_member::Entity, column));
    let by_groups = Query::select()
        .expr_as(column(group_access::Column::Level), LEVEL)
        .from(group_access::Entity)
        .inner_join(
            group_member::Entity,
            member(group_member::Column::GroupId)
                .equals((group_access::Entity, group_access::Column::GroupId)),
        )
        .and_where(column(group_access::Column::DocumentId).equals(id))
        .and_where(member(group_member::Column::UserId).eq(user))
        .and_where(is_member())
        .and_where(has_not_ended(column(group_access::Column::EndsAt)))
        .take();
    levels.union(UnionType::All, by_groups);
    let highest = Query::select()
        .expr(Func::max(Expr::col((FOUND, LEVEL))))
        .from_subquery(levels, FOUND)
        .take();
    Expr::SubQuery(None, Box::new(highest.into()))
}

/// The levels that [`entitled_level`] finds.
const FOUND: &str = "found";
const LEVEL: &str = "found_level";

/// The SQL of [`entitled_level`], for the texts of queries that are run too often to be built each time: of the
/// document, the user and the present time in these expressions.
macro_rules! entitled_level_sql {
    ($document:literal, $user:literal, $now:literal) => {
        concat!(
            "(SELECT MAX(found.level) FROM (SELECT entitlement.level FROM entitlement \
            WHERE entitlement.document_id = ",
            $document,
            " AND entitlement.user_id = ",
            $user,
            " AND (entitlement.ends_at IS NULL OR entitlement.ends_at > ",
            $now,
            ") UNION ALL SELECT group_access.level FROM group_access INNER JOIN group_member \
            ON group_member.group_id = group_access.group_id WHERE group_access.document_id = ",
            $document,
            " AND group_member.user_id = ",
            $user,
            " AND group_member.state <> 3 AND (group_access.ends_at IS NULL OR group_access.ends_at > ",
            $now,
            ")) AS found)"
        )
    };
}
pub(super) use entitled_level_sql;

#[cfg(test)]
mod tests {
    use entity::group_member;
    use sea_orm::ActiveEnum as _;

    #[test]
    fn the_sql_of_entitled_levels_names_the_stored_state_of_those_who_have_left() {
        let sql = entitled_level_sql!("document.id", "$2", "$1");
        let left = group_member::State::Left.to_value();
        assert_eq!(sql.matches("state <> ").count(), 1, "{sql}");
        assert!(sql.contains(&format!(" group_member.state <> {left} ")), "{sql}");
    }
}
