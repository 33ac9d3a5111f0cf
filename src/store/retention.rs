//! Retention: deleting changes and receipts that are older than the operator wants to keep.
//!
//! Invariant: a log is only shortened up to a snapshot. The text at every version that remains in the log can be
//! computed from that snapshot and the changes after it.

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt, document_snapshot};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{Store, StoreError, pools::lock_documents};

/// How many logs one transaction shortens. The limit keeps other writes from waiting long.
const MAX_DOCUMENTS: u64 = 8;

/// How many changes of one log a transaction deletes. The next one continues.
const MAX_CHANGES: i64 = 500;

impl Store {
    /// Deletes changes that were stored before `before` and are not needed to open a document, in a few documents at a
    /// time, and all receipts from before that time. Returns the number of documents whose changes it deleted; 0 means
    /// that nothing is left to delete.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_changes(&self, before: DateTime<Utc>) -> Result<usize, StoreError> {
        let txn = self.begin().await?;
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
        // A snapshot at a version whose change is old and still in the log: the log up to it can be deleted.
        let mut query = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::DocumentId)
            .column_as(document_snapshot::Column::Version.max(), "version")
            .filter(document_change::Column::At.lt(before))
            .group_by(document_snapshot::Column::DocumentId)
            .limit(MAX_DOCUMENTS);
        QueryTrait::query(&mut query).inner_join(document_change::Entity, is_same);
        let outdated: Vec<(Uuid, i64)> = query.into_tuple().all(&txn).await?;
        lock_documents(&txn, outdated.iter().map(|(document, _)| (*document).into())).await?;
        for (document, version) in &outdated {
            delete_up_to(&txn, *document, *version).await?;
        }
        // No text depends on receipts, so they are deleted by age alone.
        document_receipt::Entity::delete_many()
            .filter(document_receipt::Column::At.lt(before))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        Ok(outdated.len())
    }
}

/// Deletes the oldest changes of a document, at most up to `version`, at which it has a snapshot. With the last of
/// these changes it also deletes the earlier snapshots.
async fn delete_up_to(
    txn: &DatabaseTransaction,
    document: Uuid,
    version: i64,
) -> Result<(), StoreError> {
    let oldest: Option<i64> = document_change::Entity::find()
        .select_only()
        .column(document_change::Column::Version)
        .filter(document_change::Column::DocumentId.eq(document))
        .order_by_asc(document_change::Column::Version)
        .into_tuple()
        .one(txn)
        .await?;
    let last = oldest.map_or(version, |oldest| Ord::min(version, oldest + MAX_CHANGES - 1));
    document_change::Entity::delete_many()
        .filter(document_change::Column::DocumentId.eq(document))
        .filter(document_change::Column::Version.lte(last))
        .exec(txn)
        .await?;
    if last == version {
        document_snapshot::Entity::delete_many()
            .filter(document_snapshot::Column::DocumentId.eq(document))
            .filter(document_snapshot::Column::Version.lt(version))
            .exec(txn)
            .await?;
    }
    Ok(())
}
