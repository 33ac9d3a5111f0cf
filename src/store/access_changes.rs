//! Changes of access: recording them in the access versions of documents, and returning what is announced.
//!
//! A transaction that changes the access of users locks the documents, changes rows, and then calls
//! [`record_changes`] with these users, or [`increment_access_versions`] if it announces nothing itself. The caller
//! announces the [`UserAccess`] that it gets to open sessions, after the transaction is committed.

use std::collections::{BTreeSet, HashMap};

use entity::{document, document_access, entitlement};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use super::{Store, StoreError, document_lock::lock_documents, groups::list_group_levels, rows};
use crate::domain::{AccessChange, AccessLevel, DocumentId, Party, UserId};

/// How many rows are looked for at a time. One transaction deletes the rows of their users on their documents.
const DELETED_AT_ONCE: u64 = 200;

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
    /// Deletes some of the rows that give users access and that fit a condition. `document` and `user` are the columns
    /// that name the document and the user. Returns the access of these users afterwards, or `None` if there are no
    /// such rows.
    pub(super) async fn delete_some_access<E: EntityTrait>(
        &self,
        chosen: &Condition,
        document: E::Column,
        user: E::Column,
    ) -> Result<Option<Vec<UserAccess>>, StoreError> {
        let select = E::find().select_only().columns([document, user]);
        let find = select.clone().filter(chosen.clone()).limit(DELETED_AT_ONCE);
        let found: Vec<(Uuid, Uuid)> = find.into_tuple().all(&self.readers).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let (documents, users): (BTreeSet<Uuid>, BTreeSet<Uuid>) = found.into_iter().unzip();
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_documents(&txn, documents.iter().map(|id| DocumentId::from(*id))).await?;
            let rows = chosen.clone().add(document.is_in(documents)).add(user.is_in(users));
            let deleted: Vec<(Uuid, Uuid)> =
                select.filter(rows.clone()).into_tuple().all(&txn).await?;
            E::delete_many().filter(rows).exec(&txn).await?;
            let pairs = deleted.into_iter().map(|(document, user)| (document.into(), user.into()));
            let pairs: BTreeSet<(DocumentId, UserId)> = pairs.collect();
            let access = record_changes(&txn, &pairs).await?;
            txn.commit().await?;
            Ok(Some(access))
        })
        .await
    }
}

/// Records that the access of these users to these documents has changed, and returns it as [`list_access`] does.
pub(super) async fn record_changes(
    txn: &DatabaseTransaction,
    changed: &BTreeSet<(DocumentId, UserId)>,
) -> Result<Vec<UserAccess>, StoreError> {
    increment_access_versions(txn, changed.iter().map(|(document, _)| *document)).await?;
    list_access(txn, changed).await
}

/// Records that the access of users to these documents has changed.
pub(super) async fn increment_access_versions(
    txn: &DatabaseTransaction,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<(), StoreError> {
    let documents: BTreeSet<Uuid> = documents.into_iter().map(DocumentId::uuid).collect();
    if documents.is_empty() {
        return Ok(());
    }
    let access_version = document::Column::AccessVersion;
    document::Entity::update_many()
        .col_expr(access_version, Expr::col(access_version).add(1))
        .filter(document::Column::Id.is_in(documents))
        .exec(txn)
        .await?;
    Ok(())
}

/// Returns the access of these users to these documents. Leaves out documents that do not exist any more, whose seats
/// have ended. Four statements, however many documents there are: their locks are held meanwhile.
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
