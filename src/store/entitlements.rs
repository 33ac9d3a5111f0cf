//! Entitlements: access levels that come from elsewhere than a grant, and the end of those that end by themselves
//! ([ADR 49](../../docs/adr/0049-entitlements.md)).
//!
//! Invariant: as for grants, every change of a level increments `document.access_version` in the same transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, SubsecRound as _, Utc};
use entity::{document, document_access, entitlement};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait as _, DatabaseTransaction, EntityTrait, QueryFilter,
    QuerySelect, Statement,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use uuid::Uuid;

use super::{Store, StoreError, document_lock::lock_documents, groups::list_group_levels, rows};
use crate::domain::{AccessChange, AccessLevel, DocumentId, LinkId, Party, SignInId, UserId};

/// The most rows that one transaction deletes.
const DELETED_AT_ONCE: u64 = 200;

/// Whether an entitlement or a grant has ended at a time, or a link was revoked that may still give access. It is asked twice a second.
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

/// The access of a user to a document after a change, to be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAccess {
    /// The document.
    pub document: DocumentId,
    /// The user.
    pub user: UserId,
    /// Their access.
    pub access: AccessChange,
}

impl Store {
    /// Ends some of what document tokens entitle a user to: those of one sign-in, or all. Returns the access that has changed, to
    /// be announced before the next call, or `None` if nothing is left.
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

    /// Deletes some of the entitlements that fit a condition. Returns the access of their users afterwards, or `None` if
    /// there are none.
    pub(super) async fn delete_some_entitlements(
        &self,
        chosen: &Condition,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        let find = entitlement::Entity::find()
            .select_only()
            .columns([entitlement::Column::DocumentId, entitlement::Column::UserId])
            .filter(chosen.clone())
            .limit(DELETED_AT_ONCE)
            .into_tuple();
        let found: Vec<(Uuid, Uuid)> = find.all(&self.readers).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let users = found.iter().map(|(_, user)| *user).collect::<BTreeSet<_>>();
        let documents: BTreeSet<_> =
            found.iter().map(|(document, _)| DocumentId::from(*document)).collect();
        let ids = documents.iter().map(|document| document.uuid()).collect::<Vec<_>>();
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, documents.iter().copied()).await?;
            let rows = chosen
                .clone()
                .add(entitlement::Column::DocumentId.is_in(ids))
                .add(entitlement::Column::UserId.is_in(users));
            let pairs: Vec<(Uuid, Uuid)> = entitlement::Entity::find()
                .select_only()
                .columns([entitlement::Column::DocumentId, entitlement::Column::UserId])
                .filter(rows.clone())
                .into_tuple()
                .all(&txn)
                .await?;
            entitlement::Entity::delete_many().filter(rows).exec(&txn).await?;
            let pairs = typed(pairs);
            increment_all(&txn, &pairs).await?;
            let access = list_access(&txn, &pairs).await?;
            txn.commit().await?;
            Ok(Some(access))
        })
        .await
    }

    /// Deletes some of the grants that have ended by `now`. Returns the access of their users afterwards.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_grants(&self, now: DateTime<Utc>) -> Result<Vec<UserAccess>, StoreError> {
        let due = Condition::all().add(document_access::Column::EndsAt.lte(now));
        Ok(self.delete_some_grants(&due).await?.unwrap_or_default())
    }

    /// Deletes some of the grants that fit a condition. Returns the access of their users afterwards, or `None` if there are none.
    pub(super) async fn delete_some_grants(
        &self,
        chosen: &Condition,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        use document_access::Column;
        let find = document_access::Entity::find()
            .select_only()
            .columns([Column::DocumentId, Column::UserId])
            .filter(chosen.clone());
        let found: Vec<(Uuid, Uuid)> =
            find.clone().limit(DELETED_AT_ONCE).into_tuple().all(&self.readers).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let documents: BTreeSet<_> =
            found.iter().map(|(document, _)| DocumentId::from(*document)).collect();
        let ids = documents.iter().map(|document| document.uuid()).collect::<Vec<_>>();
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, documents.iter().copied()).await?;
            let of_these = Column::DocumentId.is_in(ids);
            let pairs: Vec<(Uuid, Uuid)> =
                find.filter(of_these.clone()).into_tuple().all(&txn).await?;
            document_access::Entity::delete_many()
                .filter(chosen.clone())
                .filter(of_these)
                .exec(&txn)
                .await?;
            let pairs = typed(pairs);
            increment_all(&txn, &pairs).await?;
            let access = list_access(&txn, &pairs).await?;
            txn.commit().await?;
            Ok(Some(access))
        })
        .await
    }
}

/// Returns the access of these users to these documents. Leaves out documents that do not exist any more, whose seats have
/// ended. Four statements, however many documents there are: their locks are held meanwhile.
pub(super) async fn list_access(
    txn: &DatabaseTransaction,
    pairs: &BTreeSet<(DocumentId, UserId)>,
) -> Result<Vec<UserAccess>, StoreError> {
    if pairs.is_empty() {
        return Ok(vec![]);
    }
    let ids: BTreeSet<Uuid> = pairs.iter().map(|(document, _)| document.uuid()).collect();
    let users: BTreeSet<Uuid> = pairs.iter().map(|(_, user)| user.uuid()).collect();
    let documents: Vec<(Uuid, Uuid, i64)> = document::Entity::find()
        .select_only()
        .columns([document::Column::Id, document::Column::OwnerId, document::Column::AccessVersion])
        .filter(document::Column::Id.is_in(ids.iter().copied()))
        .filter(document::Column::DeletedAt.is_null())
        .into_tuple()
        .all(txn)
        .await?;
    let granted: Vec<(Uuid, Uuid, entity::Level)> = document_access::Entity::find()
        .select_only()
        .columns([document_access::Column::DocumentId, document_access::Column::UserId])
        .column(document_access::Column::Level)
        .filter(document_access::Column::DocumentId.is_in(ids.iter().copied()))
        .filter(document_access::Column::UserId.is_in(users.iter().copied()))
        .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()))
        .into_tuple()
        .all(txn)
        .await?;
    let entitled: Vec<(Uuid, Uuid, entity::Level)> = entitlement::Entity::find()
        .select_only()
        .columns([entitlement::Column::DocumentId, entitlement::Column::UserId])
        .column(entitlement::Column::Level)
        .filter(entitlement::Column::DocumentId.is_in(ids.iter().copied()))
        .filter(entitlement::Column::UserId.is_in(users.iter().copied()))
        .filter(rows::has_not_ended(entitlement::Column::EndsAt.into_expr()))
        .into_tuple()
        .all(txn)
        .await?;
    let by_groups = list_group_levels(txn, ids, users).await?;
    let mut levels: HashMap<(Uuid, Uuid), AccessLevel> = HashMap::new();
    for (document, user, level) in granted.into_iter().chain(entitled).chain(by_groups) {
        let level = rows::access_level(level);
        let highest = levels.entry((document, user)).or_insert(level);
        *highest = Ord::max(*highest, level);
    }
    let documents: HashMap<Uuid, (Uuid, i64)> = documents
        .into_iter()
        .map(|(id, owner, access_version)| (id, (owner, access_version)))
        .collect();
    let access = pairs.iter().filter_map(|(document, user)| {
        let (owner, access_version) = documents.get(&document.uuid())?;
        let level = levels.get(&(document.uuid(), user.uuid())).copied();
        let level = if *owner == user.uuid() { Some(AccessLevel::Owner) } else { level };
        let access = AccessChange { level, access_version: Some(*access_version) };
        Some(UserAccess { document: *document, user: *user, access })
    });
    Ok(access.collect())
}

/// Sets the levels that a user has by one source until `ends_at`, if they end by themselves, on documents that exist. Returns the documents whose level has changed.
pub(super) async fn set_levels(
    txn: &DatabaseTransaction,
    user: UserId,
    source: EntitlementSource,
    levels: &BTreeMap<DocumentId, Option<AccessLevel>>,
    ends_at: impl Into<Option<DateTime<Utc>>>,
) -> Result<BTreeSet<(DocumentId, UserId)>, StoreError> {
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
    increment_all(txn, &changed).await?;
    Ok(changed)
}

/// Counts a change of access on the documents of these pairs.
pub(super) async fn increment_all(
    txn: &DatabaseTransaction,
    changed: &BTreeSet<(DocumentId, UserId)>,
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let access_version = document::Column::AccessVersion;
    let documents: BTreeSet<Uuid> = changed.iter().map(|(document, _)| document.uuid()).collect();
    document::Entity::update_many()
        .col_expr(access_version, Expr::col(access_version).add(1))
        .filter(document::Column::Id.is_in(documents))
        .exec(txn)
        .await?;
    Ok(())
}

fn typed(pairs: Vec<(Uuid, Uuid)>) -> BTreeSet<(DocumentId, UserId)> {
    pairs.into_iter().map(|(document, user)| (document.into(), user.into())).collect()
}

#[cfg(test)]
#[path = "entitlements_tests.rs"]
mod tests;
