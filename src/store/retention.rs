//! Retention: deleting changes and receipts that are older than the operator, or the owner of a document, wants to keep.
//!
//! A transaction deletes a slice: rows of large logs may take megabytes, and others write meanwhile.
//!
//! Named versions have their content in rows of their own, which are not deleted here.
//!
//! Invariant: a log is only shortened up to a snapshot. The text at every version that remains in the log can be
//! computed from that snapshot and the changes after it. Between two slices of one log, this does not hold for the changes up to
//! the next snapshot if there are too many of them for one slice.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt, document_snapshot};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, IntoValueTuple, Query},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    document_lock::lock_documents,
    snapshots::{COUNTED, delete_where},
    stored_bytes::{count_bytes, counted_row, delete_counted},
};
use crate::domain::{DocumentId, Party};

/// How many logs one transaction shortens. The limit keeps other writes from waiting long.
const MAX_DOCUMENTS: u64 = 8;

/// How many receipts one statement deletes.
const MAX_RECEIPTS: u64 = 1_000;

/// How many changes or snapshots of one log a transaction deletes. The next one continues.
const MAX_ROWS: u64 = 500;

/// How many bytes a transaction deletes, unless one row has more.
const MAX_BYTES: i64 = 16 * 1024 * 1024;

impl Store {
    /// Deletes some of the changes that were stored before `before` and are not needed to open a document, and some of
    /// the receipts from before that time. Returns 0 when nothing is left to delete.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_changes(&self, before: DateTime<Utc>) -> Result<usize, StoreError> {
        // Found before anything is locked, since the query may take long.
        let outdated = self.find_outdated(before, None).await?;
        if !outdated.is_empty() {
            self.write(Party::Node, self.shorten(&outdated)).await?;
        }
        let receipts = self.delete_receipts(before, None, Party::Node).await?;
        Ok(outdated.len().max(usize::from(receipts.is_some())))
    }

    /// Deletes a slice of the log of one document: changes, with the snapshots before them, and receipts that were stored
    /// before `before`, or before `store.history_kept` if that is earlier. Returns how many bytes they took. `None` if nothing
    /// is left to delete. The text, and the changes since its last snapshot before that time, stay. Reads and writes in the turns of
    /// a party.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`], [`StoreError::Internal`].
    pub async fn shorten_log(
        &self,
        document: DocumentId,
        before: Option<DateTime<Utc>>,
        party: Party,
    ) -> Result<Option<u64>, StoreError> {
        let latest = Utc::now() - self.history_kept;
        let before = before.map_or(latest, |before| Ord::min(before, latest));
        let outdated = self.read_for(party, self.find_outdated(before, Some(document))).await??;
        if !outdated.is_empty() {
            return Ok(Some(self.write(party, self.shorten(&outdated)).await?));
        }
        self.delete_receipts(before, Some(document), party).await
    }

    /// Returns documents, or only this one, with the version up to which their log can be deleted: a snapshot whose change is
    /// old and still in the log.
    async fn find_outdated(
        &self,
        before: DateTime<Utc>,
        only: Option<DocumentId>,
    ) -> Result<Vec<(Uuid, i64)>, StoreError> {
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
        if let Some(document) = only {
            query = query.filter(document_snapshot::Column::DocumentId.eq(document.uuid()));
        }
        QueryTrait::query(&mut query).inner_join(document_change::Entity, is_same);
        Ok(query.into_tuple().all(&self.readers).await?)
    }

    /// Deletes a slice of the logs of these documents up to these versions. Returns how many bytes it took.
    async fn shorten(&self, outdated: &[(Uuid, i64)]) -> Result<u64, StoreError> {
        let txn = self.begin().await?;
        lock_documents(&txn, outdated.iter().map(|(document, _)| (*document).into())).await?;
        let (mut freed, mut left) = (Vec::with_capacity(outdated.len()), MAX_BYTES);
        for (document, version) in outdated {
            // It may have been deleted since it was found.
            let key = (*document, *version);
            if left > 0 && document_snapshot::Entity::find_by_id(key).count(&txn).await? > 0 {
                let document = DocumentId::from(*document);
                let bytes = delete_up_to(&txn, document, *version, left).await?;
                left = left.saturating_add(bytes);
                freed.push((document, bytes));
            }
        }
        let counted = count_bytes(&txn, freed).await?;
        txn.commit().await?;
        self.quotas.note(counted);
        Ok((MAX_BYTES - left).unsigned_abs())
    }

    /// Deletes receipts from before a time, of any document or only of this one, a bounded number of them. Returns how many
    /// bytes they took, or none if there were none. No text depends on receipts, so they are deleted by age alone.
    async fn delete_receipts(
        &self,
        before: DateTime<Utc>,
        only: Option<DocumentId>,
        party: Party,
    ) -> Result<Option<u64>, StoreError> {
        use document_receipt::Column::{At, AuthorId, DocumentId as Document, EditId, Title};
        let keys = [Document, AuthorId, EditId];
        let mut oldest = document_receipt::Entity::find()
            .select_only()
            .columns(keys)
            .filter(At.lt(before))
            .limit(MAX_RECEIPTS);
        if let Some(document) = only {
            oldest = oldest.filter(Document.eq(document.uuid()));
        }
        let oldest = self.read_for(party, oldest.into_tuple().all(&self.readers)).await?;
        let oldest: Vec<(Uuid, Uuid, String)> = oldest?;
        if oldest.is_empty() {
            return Ok(None);
        }
        let documents: BTreeSet<Uuid> = oldest.iter().map(|(document, ..)| *document).collect();
        let found = oldest.into_iter().map(IntoValueTuple::into_value_tuple);
        let delete = Query::delete()
            .from_table(document_receipt::Entity)
            .and_where(Expr::tuple(keys.map(Expr::col)).in_tuples(found))
            .to_owned();
        self.write(party, async {
            let txn = self.begin().await?;
            lock_documents(&txn, documents.into_iter().map(DocumentId::from)).await?;
            let freed =
                delete_counted::<document_receipt::Entity>(&txn, delete, Document, &[Title])
                    .await?;
            let bytes = freed.values().sum::<i64>().unsigned_abs();
            let counted = count_bytes(&txn, freed).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(Some(bytes))
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

/// Deletes the oldest changes of a document up to `version`, at which it has a snapshot, and the snapshots that only they needed, of
/// about `bytes` bytes each. The change at that version goes last, since the rest is found by it. Returns the negative of what they
/// took.
///
/// A slice ends at a snapshot if it can, so that the text at every version that remains can be computed, even if no other slice
/// follows.
async fn delete_up_to(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: i64,
    bytes: i64,
) -> Result<i64, StoreError> {
    use document_change::Column::{Delta, DocumentId, Title, Update, Version};
    let values = [Title, Delta, Update];
    let changes = document_change::Entity::find()
        .filter(DocumentId.eq(document.uuid()))
        .filter(Version.lte(version));
    let Some(slice) = slice_of(txn, changes, Version, &values, bytes).await? else { return Ok(0) };
    let at = document_snapshot::Column::Version;
    let snapshots = document_snapshot::Entity::find()
        .filter(document_snapshot::Column::DocumentId.eq(document.uuid()));
    let boundary: Option<i64> = snapshots
        .clone()
        .select_only()
        .column(at)
        .filter(at.between(slice.first, slice.last))
        .order_by_desc(at)
        .into_tuple()
        .one(txn)
        .await?;
    let mut last = boundary.unwrap_or(slice.last);
    let unneeded = snapshots.filter(at.lt(last));
    let mut freed = 0;
    if let Some(slice) = slice_of(txn, unneeded.clone(), at, &COUNTED, bytes).await? {
        let delete = at.gte(slice.first).and(at.lte(slice.last));
        freed += delete_where(txn, document, delete).await?;
        // The changes before a snapshot that remains have lost the text that they begin with.
        let oldest = unneeded.select_only().column(at).order_by_asc(at);
        last = oldest.into_tuple().one(txn).await?.unwrap_or(last);
    }
    let delete = Query::delete()
        .from_table(document_change::Entity)
        .and_where(DocumentId.eq(document.uuid()))
        .and_where(Version.lte(last))
        .to_owned();
    let deleted =
        delete_counted::<document_change::Entity>(txn, delete, DocumentId, &values).await?;
    Ok(freed + deleted.values().sum::<i64>())
}

/// The first and the last version of the rows of a slice.
struct Slice {
    first: i64,
    last: i64,
}

/// Returns the oldest rows that take at most `bytes` bytes together, but at least one. `None` if there is no row.
async fn slice_of<E: EntityTrait>(
    txn: &DatabaseTransaction,
    rows: Select<E>,
    version: E::Column,
    values: &[E::Column],
    bytes: i64,
) -> Result<Option<Slice>, StoreError> {
    let rows: Vec<(i64, i64)> = rows
        .select_only()
        .column(version)
        .expr(counted_row(values))
        .order_by_asc(version)
        .limit(MAX_ROWS)
        .into_tuple()
        .all(txn)
        .await?;
    let mut sum = 0_i64;
    let fitting = rows.iter().take_while(|(_, row)| {
        sum = sum.saturating_add(*row);
        sum <= bytes
    });
    let last = fitting.count().max(1) - 1;
    Ok(rows.first().zip(rows.get(last)).map(|(first, last)| Slice { first: first.0, last: last.0 }))
}
