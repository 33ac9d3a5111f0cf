//! Entitlements: access levels that come from elsewhere than a grant, and the end of those that end by themselves
//! ([ADR 49](../../docs/adr/0049-entitlements.md)).
//!
//! Invariant: as for grants, every change of a level increments `document.access_version` in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{document, document_access, entitlement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait as _, DatabaseTransaction,
    EntityTrait, QueryFilter, QuerySelect, Statement, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Store, StoreError, UserAccess, access_changes::record_changes, document_lock::lock_documents,
    rows,
};
use crate::domain::{AccessLevel, DocumentId, LinkId, SignInId, UserId};

/// Whether an entitlement or a grant has ended at a time, or a link was revoked that may still give access. It is asked
/// twice a second.
const HAS_DUE: &str = "SELECT EXISTS (SELECT 1 FROM entitlement WHERE ends_at <= $1) \
    OR EXISTS (SELECT 1 FROM document_access WHERE ends_at <= $1) \
    OR EXISTS (SELECT 1 FROM document_link WHERE revoked_at IS NOT NULL)";

/// What an entitlement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntitlementSource {
    /// A document token, by its sign-in.
    Token(SignInId),
    /// The answer of the application to the question which level the user has.
    Answer,
    /// A link that the user has opened.
    Link(LinkId),
}

impl EntitlementSource {
    fn kind(self) -> entitlement::Kind {
        match self {
            Self::Token(_) => entitlement::Kind::Token,
            Self::Answer => entitlement::Kind::Answer,
            Self::Link(_) => entitlement::Kind::Link,
        }
    }

    fn id(self) -> Uuid {
        match self {
            Self::Token(sign_in) => sign_in.uuid(),
            Self::Answer => Uuid::nil(),
            Self::Link(link) => link.uuid(),
        }
    }
}

impl Store {
    /// Ends some of what document tokens entitle a user to: those of one sign-in, or all. Returns the access that has
    /// changed, to be announced before the next call, or `None` if nothing is left.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_some_token_entitlements(
        &self,
        user: UserId,
        sign_in: Option<SignInId>,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        let mut rows = Condition::all()
            .add(entitlement::Column::UserId.eq(user.uuid()))
            .add(entitlement::Column::Kind.eq(entitlement::Kind::Token));
        if let Some(sign_in) = sign_in {
            rows = rows.add(entitlement::Column::SourceId.eq(sign_in.uuid()));
        }
        self.delete_some_entitlements(&rows).await
    }

    /// Returns whether a grant or an entitlement has ended by `now`, or a link was revoked, and is not deleted yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn has_due_access(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let backend = self.readers.get_database_backend();
        let query = Statement::from_sql_and_values(backend, HAS_DUE, [now.into()]);
        match self.readers.query_one_raw(query).await? {
            Some(row) => Ok(row.try_get_by_index(0)?),
            None => Ok(false),
        }
    }

    /// Deletes some of the entitlements that have ended by `now`. Returns the access of their users afterwards.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_entitlements(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<UserAccess>, StoreError> {
        let due = Condition::all().add(entitlement::Column::EndsAt.lte(now));
        Ok(self.delete_some_entitlements(&due).await?.unwrap_or_default())
    }

    /// Deletes some of the entitlements that fit a condition. Returns the access of their users afterwards, or `None`
    /// if there are none.
    pub(super) async fn delete_some_entitlements(
        &self,
        chosen: &Condition,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        use entitlement::{Column, Entity};
        self.delete_some_access::<Entity>(chosen, Column::DocumentId, Column::UserId).await
    }

    /// Deletes some of the grants that have ended by `now`. Returns the access of their users afterwards.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_grants(&self, now: DateTime<Utc>) -> Result<Vec<UserAccess>, StoreError> {
        let due = Condition::all().add(document_access::Column::EndsAt.lte(now));
        Ok(self.delete_some_grants(&due).await?.unwrap_or_default())
    }

    /// Deletes some of the grants that fit a condition. Returns the access of their users afterwards, or `None` if
    /// there are none.
    pub(super) async fn delete_some_grants(
        &self,
        chosen: &Condition,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        use document_access::{Column, Entity};
        self.delete_some_access::<Entity>(chosen, Column::DocumentId, Column::UserId).await
    }
}

/// Sets the levels that a user has by one source until `ends_at`, if they end by themselves, on documents that exist.
/// Returns the access of the user to the documents where one of these levels has changed.
pub(super) async fn set_levels(
    txn: &DatabaseTransaction,
    user: UserId,
    source: EntitlementSource,
    levels: &BTreeMap<DocumentId, Option<AccessLevel>>,
    ends_at: impl Into<Option<DateTime<Utc>>>,
) -> Result<Vec<UserAccess>, StoreError> {
    let ends_at = ends_at.into().map(|at| at.trunc_subsecs(6));
    use entitlement::Column;
    lock_documents(txn, levels.keys().copied()).await?;
    let ids: Vec<_> = levels.keys().map(|document| document.uuid()).collect();
    let existing: BTreeSet<Uuid> = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.is_in(ids.iter().copied()))
        .filter(document::Column::DeletedAt.is_null())
        .into_tuple()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    let of_source = Condition::all()
        .add(Column::UserId.eq(user.uuid()))
        .add(Column::Kind.eq(source.kind()))
        .add(Column::SourceId.eq(source.id()))
        .add(Column::DocumentId.is_in(ids));
    let known: BTreeMap<Uuid, entity::Level> = entitlement::Entity::find()
        .select_only()
        .columns([Column::DocumentId, Column::Level])
        .filter(of_source.clone())
        .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
        .into_tuple::<(Uuid, entity::Level)>()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    let (mut changed, mut set, mut unset) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (document, level) in levels.iter().filter(|(id, _)| existing.contains(&id.uuid())) {
        let level = level.map(rows::stored_level);
        if known.get(&document.uuid()).copied() != level {
            changed.insert((*document, user));
        }
        match level {
            Some(level) => set.push(entitlement::ActiveModel {
                document_id: Set(document.uuid()),
                user_id: Set(user.uuid()),
                kind: Set(source.kind()),
                source_id: Set(source.id()),
                level: Set(level),
                ends_at: Set(ends_at),
            }),
            None => unset.push(document.uuid()),
        }
    }
    if !unset.is_empty() {
        let unset = of_source.add(Column::DocumentId.is_in(unset));
        entitlement::Entity::delete_many().filter(unset).exec(txn).await?;
    }
    if !set.is_empty() {
        let key = [Column::DocumentId, Column::UserId, Column::Kind, Column::SourceId];
        let replace =
            OnConflict::columns(key).update_columns([Column::Level, Column::EndsAt]).to_owned();
        let insert = entitlement::Entity::insert_many(set).on_conflict(replace);
        insert.exec_without_returning(txn).await?;
    }
    record_changes(txn, &changed).await
}

#[cfg(test)]
#[path = "entitlements_tests.rs"]
mod tests;
