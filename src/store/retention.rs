//! Forgetting what is older than operators want kept.
//!
//! What goes is the beginning of a log, up to a snapshot: then the text at every version that is still named can be
//! made from that snapshot and what follows it.

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt, document_snapshot};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{Store, StoreError, pools::lock_documents};

/// The logs of at most so many documents are shortened in one transaction, so that nobody waits long for the writer.
const MAX_DOCUMENTS: u64 = 8;

/// And each by at most so many changes; the rest goes in the next one.
const MAX_CHANGES: i64 = 500;

impl Store {
    /// Forgets changes that were stored before `before` and are not needed to open a document, of some documents;
    /// says of how many, 0 when nothing is left to forget.
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
        // A snapshot whose own change is old and still there: everything up to it may go.
        let mut question = document_snapshot::Entity::find()
            .select_only()
            .column(document_snapshot::Column::DocumentId)
            .column_as(document_snapshot::Column::Version.max(), "version")
            .filter(document_change::Column::At.lt(before))
            .group_by(document_snapshot::Column::DocumentId)
            .limit(MAX_DOCUMENTS);
        QueryTrait::query(&mut question).inner_join(document_change::Entity, is_same);
        let old: Vec<(Uuid, i64)> = question.into_tuple().all(&txn).await?;
        lock_documents(&txn, old.iter().map(|(document, _)| (*document).into())).await?;
        for (document, version) in &old {
            forget_up_to(&txn, *document, *version).await?;
        }
        // Receipts carry no text; there is one for each named edit that changed nothing.
        document_receipt::Entity::delete_many()
            .filter(document_receipt::Column::At.lt(before))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        Ok(old.len())
    }
}

/// Forgets the oldest changes of a document up to a version, at which it has a snapshot; with the last of them go the
/// snapshots before that one.
async fn forget_up_to(
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
