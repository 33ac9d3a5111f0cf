//! Retention: deleting changes and receipts that are older than the operator wants to keep.
//!
//! Invariant: a log is only shortened up to a snapshot. The text at every version that remains in the log can be
//! computed from that snapshot and the changes after it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt, document_snapshot};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, IntoValueTuple, Query},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    document_lock::lock_documents,
    snapshots::delete_where,
    stored_bytes::{count_bytes, delete_counted},
};
use crate::domain::DocumentId;

/// How many logs one transaction shortens. The limit keeps other writes from waiting long.
const MAX_DOCUMENTS: u64 = 8;

/// How many receipts one statement deletes.
const MAX_RECEIPTS: u64 = 1_000;

/// How many changes of one log a transaction deletes. The next one continues.
const MAX_CHANGES: i64 = 500;

impl Store {
    /// Deletes some of the changes that were stored before `before` and are not needed to open a document, and some of
    /// the receipts from before that time. Returns 0 when nothing is left to delete.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_changes(&self, before: DateTime<Utc>) -> Result<usize, StoreError> {
        // Found before anything is locked, since the query may take long.
        let outdated = self.find_outdated(before).await?;
        if !outdated.is_empty() {
            self.write(self.shorten(&outdated)).await?;
        }
        let has_deleted_receipts = self.delete_receipts(before).await?;
        Ok(outdated.len().max(usize::from(has_deleted_receipts)))
    }

    /// Returns documents with the version up to which their log can be deleted: a snapshot whose change is old and still
    /// in the log.
    async fn find_outdated(&self, before: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        let of_snapshot = |change: document_change::Column, snapshot: document_snapshot::Column| {
            Expr::col((document_change::Entity, change))
                .equals((document_snapshot::Entity, snapshot))
        };
        let is_same =
            of_snapshot(document_change::Column::DocumentId, document_snapshot::Column::DocumentId)
                .and(of_snapshot(
                    document_change::Column::Version,
                    document_snapshot::Column::Version,
                ));
        let mut query = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::DocumentId)
            .column_as(document_snapshot::Column::Version.max(), "version")
            .filter(document_change::Column::At.lt(before))
            .group_by(document_snapshot::Column::DocumentId)
            .limit(MAX_DOCUMENTS);
        QueryTrait::query(&mut query).inner_join(document_change::Entity, is_same);
        Ok(query.into_tuple().all(&self.readers).await?)
    }

    async fn shorten(&self, outdated: &[(Uuid, i64)]) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        lock_documents(&txn, outdated.iter().map(|(document, _)| (*document).into())).await?;
        let mut freed = Vec::with_capacity(outdated.len());
        for (document, version) in outdated {
            // It may have been deleted since it was found.
            let key = (*document, *version);
            if document_snapshot::Entity::find_by_id(key).count(&txn).await? > 0 {
                let document = DocumentId::from(*document);
                freed.push((document, delete_up_to(&txn, document, *version).await?));
            }
        }
        let counted = count_bytes(&txn, freed).await?;
        txn.commit().await?;
        self.quotas.note(counted);
        Ok(())
    }

    /// Deletes receipts from before a time, a bounded number of them. Returns whether there were any. No text depends on
    /// receipts, so they are deleted by age alone.
    async fn delete_receipts(&self, before: DateTime<Utc>) -> Result<bool, StoreError> {
        use document_receipt::Column::{At, AuthorId, DocumentId as Document, EditId, Title};
        let keys = [Document, AuthorId, EditId];
        let oldest: Vec<(Uuid, Uuid, String)> = document_receipt::Entity::find()
            .select_only()
            .columns(keys)
            .filter(At.lt(before))
            .limit(MAX_RECEIPTS)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if oldest.is_empty() {
            return Ok(false);
        }
        let documents: BTreeSet<Uuid> = oldest.iter().map(|(document, ..)| *document).collect();
        let found = oldest.into_iter().map(IntoValueTuple::into_value_tuple);
        let delete = Query::delete()
            .from_table(document_receipt::Entity)
            .and_where(Expr::tuple(keys.map(Expr::col)).in_tuples(found))
            .to_owned();
        self.write(async {
            let txn = self.begin().await?;
            lock_documents(&txn, documents.into_iter().map(DocumentId::from)).await?;
            let freed =
                delete_counted::<document_receipt::Entity>(&txn, delete, Document, &[Title])
                    .await?;
            let counted = count_bytes(&txn, freed).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(true)
        })
        .await
    }
}

/// Returns the version of the oldest change in the log of a document.
pub(super) async fn find_oldest_change(
    txn: &DatabaseTransaction,
    document: Uuid,
) -> Result<Option<i64>, StoreError> {
    let oldest = document_change::Entity::find()
        .select_only()
        .column(document_change::Column::Version)
        .filter(document_change::Column::DocumentId.eq(document))
        .order_by_asc(document_change::Column::Version);
    Ok(oldest.into_tuple().one(txn).await?)
}

/// Deletes the oldest changes of a document, at most up to `version`, at which it has a snapshot. With the last of
/// these changes it also deletes the earlier snapshots. Returns the negative of what they took.
async fn delete_up_to(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: i64,
) -> Result<i64, StoreError> {
    use document_change::Column::{Delta, DocumentId, Title, Update, Version};
    let oldest = find_oldest_change(txn, document.uuid()).await?;
    let last = oldest.map_or(version, |oldest| Ord::min(version, oldest + MAX_CHANGES - 1));
    let delete = Query::delete()
        .from_table(document_change::Entity)
        .and_where(DocumentId.eq(document.uuid()))
        .and_where(Version.lte(last))
        .to_owned();
    let values = [Title, Delta, Update];
    let changes =
        delete_counted::<document_change::Entity>(txn, delete, DocumentId, &values).await?;
    let mut freed = changes.values().sum();
    if last == version {
        let is_earlier = document_snapshot::Column::Version.lt(version);
        freed += delete_where(txn, document, is_earlier).await?;
    }
    Ok(freed)
}
