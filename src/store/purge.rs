//! Deletes the log of documents that are purged.
//!
//! A short log is deleted together with the rest of the document. A long one would delay everybody who writes meanwhile: it is put on
//! a list in the same transaction, and deleted later in slices.
//!
//! Invariant: whatever the list holds is a tombstone. Its log is not read, except for its last change, the deletion.

use entity::{
    document, document_change, document_purge, document_receipt, document_snapshot, named_version,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter,
    QuerySelect,
    sea_query::{Expr, ExprTrait, IntoValueTuple, LockBehavior, LockType},
};
use uuid::Uuid;

use super::{Store, StoreError, retention::find_oldest_change};
use crate::domain::{DocumentId, Party, Version};

/// The most versions that a document may have for its log to be deleted with it.
const MAX_VERSIONS_AT_ONCE: i64 = 1_000;

/// How many changes or receipts one transaction deletes.
const MAX_ROWS: u64 = 1_000;

/// How many snapshots or named versions one transaction deletes. They may be large.
const MAX_SNAPSHOTS: u64 = 4;

impl Store {
    /// Deletes a slice of the log of a deleted document. Returns false if there is none, or if other nodes are working on
    /// all of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn purge_some(&self) -> Result<bool, StoreError> {
        // Looking for it must not wait for other writers.
        let first = document_purge::Entity::find().one(&self.readers).await?;
        if first.is_none() {
            return Ok(false);
        }
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            let mut select = document_purge::Entity::find();
            if txn.get_database_backend() != DbBackend::Sqlite {
                select = select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
            }
            let Some(purge) = select.one(&txn).await? else { return Ok(false) };
            let document = purge.document_id;
            let has_deleted = delete_snapshots(&txn, document).await?
                || delete_named(&txn, document).await?
                || delete_changes(&txn, document).await?
                || delete_receipts(&txn, document).await?;
            if !has_deleted {
                document_purge::Entity::delete_by_id(document).exec(&txn).await?;
            }
            txn.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// Deletes the log of a document that becomes a tombstone, now or later, except for its deletion. A new table with rows of
/// documents must be added here and to [`Store::purge_some`].
pub(super) async fn purge_log(
    txn: &DatabaseTransaction,
    document: DocumentId,
    deletion: Version,
) -> Result<(), StoreError> {
    let id = document.uuid();
    if deletion.number() > MAX_VERSIONS_AT_ONCE {
        let row = document_purge::ActiveModel { document_id: Set(id) };
        document_purge::Entity::insert(row).exec_without_returning(txn).await?;
        return Ok(());
    }
    document_change::Entity::delete_many()
        .filter(document_change::Column::DocumentId.eq(id))
        .filter(document_change::Column::Version.lt(deletion.number()))
        .exec(txn)
        .await?;
    delete_all::<document_snapshot::Entity>(txn, document_snapshot::Column::DocumentId, id).await?;
    delete_all::<named_version::Entity>(txn, named_version::Column::DocumentId, id).await?;
    delete_all::<document_receipt::Entity>(txn, document_receipt::Column::DocumentId, id).await
}

/// Deletes every row of a document from a table.
pub(super) async fn delete_all<E: EntityTrait>(
    txn: &DatabaseTransaction,
    document_column: E::Column,
    document: Uuid,
) -> Result<(), StoreError> {
    E::delete_many().filter(document_column.eq(document)).exec(txn).await?;
    Ok(())
}

async fn delete_snapshots(txn: &DatabaseTransaction, document: Uuid) -> Result<bool, StoreError> {
    let versions: Vec<i64> = document_snapshot::Entity::find()
        .select_only()
        .column(document_snapshot::Column::Version)
        .filter(document_snapshot::Column::DocumentId.eq(document))
        .limit(MAX_SNAPSHOTS)
        .into_tuple()
        .all(txn)
        .await?;
    let deleted = document_snapshot::Entity::delete_many()
        .filter(document_snapshot::Column::DocumentId.eq(document))
        .filter(document_snapshot::Column::Version.is_in(versions))
        .exec(txn)
        .await?;
    Ok(deleted.rows_affected > 0)
}

async fn delete_named(txn: &DatabaseTransaction, document: Uuid) -> Result<bool, StoreError> {
    let versions: Vec<i64> = named_version::Entity::find()
        .select_only()
        .column(named_version::Column::Version)
        .filter(named_version::Column::DocumentId.eq(document))
        .limit(MAX_SNAPSHOTS)
        .into_tuple()
        .all(txn)
        .await?;
    let deleted = named_version::Entity::delete_many()
        .filter(named_version::Column::DocumentId.eq(document))
        .filter(named_version::Column::Version.is_in(versions))
        .exec(txn)
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// Deletes the oldest changes. The last one, the deletion, stays.
async fn delete_changes(txn: &DatabaseTransaction, document: Uuid) -> Result<bool, StoreError> {
    let deletion: Option<i64> = document::Entity::find_by_id(document)
        .select_only()
        .column(document::Column::Version)
        .into_tuple()
        .one(txn)
        .await?;
    let oldest = find_oldest_change(txn, document).await?;
    let (Some(deletion), Some(oldest)) = (deletion, oldest) else { return Ok(false) };
    let end = Ord::min(deletion, oldest.saturating_add_unsigned(MAX_ROWS));
    let deleted = document_change::Entity::delete_many()
        .filter(document_change::Column::DocumentId.eq(document))
        .filter(document_change::Column::Version.lt(end))
        .exec(txn)
        .await?;
    Ok(deleted.rows_affected > 0)
}

async fn delete_receipts(txn: &DatabaseTransaction, document: Uuid) -> Result<bool, StoreError> {
    use document_receipt::Column::{AuthorId, DocumentId, EditId};
    let keys: Vec<(Uuid, String)> = document_receipt::Entity::find()
        .select_only()
        .columns([AuthorId, EditId])
        .filter(DocumentId.eq(document))
        .limit(MAX_ROWS)
        .into_tuple()
        .all(txn)
        .await?;
    if keys.is_empty() {
        return Ok(false);
    }
    let keys = keys.into_iter().map(IntoValueTuple::into_value_tuple);
    document_receipt::Entity::delete_many()
        .filter(DocumentId.eq(document))
        .filter(Expr::tuple([AuthorId, EditId].map(Expr::col)).in_tuples(keys))
        .exec(txn)
        .await?;
    Ok(true)
}
