//! The transaction that stores batches of several documents.
//!
//! The transaction locks the documents that are free, reads their heads and the levels of the authors, and accepts the
//! batches that are authorized, based on the present head and within the quotas. It assigns the versions with
//! `UPDATE document SET version = version + k WHERE id = ? AND version = ?`. Apart from deletions and new metadata, the
//! number of statements does not depend on the number of batches.
//!
//! Invariant: each version of a document is assigned once, no matter how many nodes write.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::document;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    sea_query::{Expr, ExprTrait, IntoValueTuple, Query, TableRef, ValueTuple},
};
use uuid::Uuid;

use super::{
    Batch, CommitError, Committed, StoreError,
    batch_rows::BatchRows,
    bin::put_into_bin,
    commit_authorization::CommitAuthorization,
    document_lock::try_lock_documents,
    metadata::store_metadata,
    pools::begin_write,
    quotas::{StoreQuotas, WantedBytes},
    renewable_pool::RenewablePool,
    retirement::Retirement,
    rows,
    statement_sizes::{divide, fill_up},
    stored_bytes::{CountedBytes, count_bytes},
};

/// What a group commit did with one batch.
pub(super) enum GroupOutcome {
    /// It was stored or refused.
    Decided(Result<Committed, CommitError>),
    /// Nothing was decided, because of a lock that something else holds. The batch is to be committed by itself.
    Locked,
}

/// Stores batches of different documents without waiting for a lock. Returns one outcome per batch, in their order.
///
/// Each transaction may take `within`. After that its outcome is unknown.
pub(super) async fn commit_group(
    committer: &RenewablePool,
    batches: &[Batch],
    within: Duration,
    retirement: &Retirement,
    quotas: &StoreQuotas,
) -> Vec<GroupOutcome> {
    let committed = async |batches: &[Batch]| {
        let committed =
            retirement.limit(within, Box::pin(try_commit(committer, batches, quotas))).await;
        match committed.unwrap_or_else(|error| Err(CommitError::Unknown(error.into()))) {
            Err(CommitError::Store(error)) if error.is_contention() => {
                Ok(batches.iter().map(|_| GroupOutcome::Locked).collect())
            }
            committed => committed,
        }
    };
    match committed(batches).await {
        Ok(outcomes) => outcomes,
        // One batch may have caused the error. Committing each batch separately lets the others succeed.
        Err(error) if batches.len() > 1 && !error.is_database_failure() => {
            let mut outcomes = Vec::with_capacity(batches.len());
            for batch in batches {
                let separate = committed(std::slice::from_ref(batch)).await;
                outcomes.extend(
                    separate.unwrap_or_else(|error| vec![GroupOutcome::Decided(Err(error))]),
                );
            }
            outcomes
        }
        Err(error) => batches.iter().map(|_| GroupOutcome::Decided(Err(error.clone()))).collect(),
    }
}

/// Stores the batches whose documents are free in one transaction. An error means that none of them was stored, or, for
/// [`CommitError::Unknown`], that this is not known.
async fn try_commit(
    committer: &RenewablePool,
    batches: &[Batch],
    quotas: &StoreQuotas,
) -> Result<Vec<GroupOutcome>, CommitError> {
    let txn = begin_write(committer).await?;
    let documents = batches.iter().map(|batch| batch.document);
    let free = try_lock_documents(&txn, documents).await?;
    if free.len() == batches.len() {
        let outcomes = commit_locked(txn, batches, quotas).await?;
        return Ok(outcomes.into_iter().map(GroupOutcome::Decided).collect());
    }
    if free.is_empty() {
        return Ok(batches.iter().map(|_| GroupOutcome::Locked).collect());
    }
    let is_free = |batch: &Batch| free.contains(&batch.document);
    let locked: Vec<_> = batches.iter().filter(|batch| is_free(batch)).cloned().collect();
    let mut outcomes = commit_locked(txn, &locked, quotas).await?.into_iter();
    let outcome_of = |batch: &Batch| {
        let outcome = is_free(batch).then(|| outcomes.next()).flatten();
        outcome.map_or(GroupOutcome::Locked, GroupOutcome::Decided)
    };
    Ok(batches.iter().map(outcome_of).collect())
}

/// Stores batches whose documents the transaction has locked, and commits it. Returns one outcome per batch. An error
/// means that none of them was stored, or, for [`CommitError::Unknown`], that this is not known.
pub(super) async fn commit_locked(
    txn: DatabaseTransaction,
    batches: &[Batch],
    quotas: &StoreQuotas,
) -> Result<Vec<Result<Committed, CommitError>>, CommitError> {
    let authorization = CommitAuthorization::load(&txn, batches).await?;
    let at = rows::now();
    let mut outcomes: Vec<_> = batches.iter().map(|batch| authorization.check(batch, at)).collect();
    let (mut accepted, mut wanted) = (Vec::new(), Vec::new());
    for (index, batch) in batches.iter().enumerate().filter(|(index, _)| outcomes[*index].is_ok()) {
        let rows = BatchRows::new(batch, at)?;
        let counted = authorization.counted_for(batch.document, rows.counted_bytes());
        let lengthens = authorization.lengthens(batch);
        wanted.extend(counted.map(|counted| WantedBytes { counted, lengthens }));
        accepted.push((index, rows));
    }
    let (reserved, admitted) = quotas.reserve(&txn, &wanted).await?;
    let mut stored = Vec::with_capacity(accepted.len());
    for ((index, rows), admitted) in accepted.into_iter().zip(admitted) {
        match admitted {
            Ok(()) => stored.push(rows),
            Err(exceeded) => outcomes[index] = Err(CommitError::OverQuota(exceeded)),
        }
    }
    if !stored.is_empty() {
        let metadata = write_batches(&txn, &mut stored, at).await?;
        txn.commit().await.map_err(|error| CommitError::Unknown(error.into()))?;
        reserved.keep();
        quotas.note(metadata);
        quotas.charge(stored.iter().flat_map(BatchRows::charges));
    }
    Ok(outcomes)
}

/// Writes the batches. Returns what the metadata that they set takes more than before.
async fn write_batches(
    txn: &DatabaseTransaction,
    batches: &mut [BatchRows<'_>],
    at: DateTime<Utc>,
) -> Result<Vec<CountedBytes>, CommitError> {
    assign_versions(txn, batches, at).await?;
    let metadata = write_metadata(txn, batches).await?;
    let without_changes = batches.iter().filter(|rows| rows.changes.is_empty());
    let receipts = without_changes.map(|rows| (rows.batch.document, rows.counted_bytes()));
    count_bytes(txn, receipts).await?;
    for BatchRows { batch, .. } in batches.iter().filter(|rows| rows.is_deletion()) {
        put_into_bin(txn, batch.document, at).await?;
    }
    let changes = batches.iter_mut().flat_map(|rows| std::mem::take(&mut rows.changes));
    insert_rows(txn, changes.collect()).await?;
    let receipts = batches.iter_mut().flat_map(|rows| std::mem::take(&mut rows.receipts));
    insert_rows(txn, receipts.collect()).await?;
    Ok(metadata)
}

/// Stores the metadata that batches set. Returns what it takes more than before.
async fn write_metadata(
    txn: &DatabaseTransaction,
    batches: &[BatchRows<'_>],
) -> Result<Vec<CountedBytes>, StoreError> {
    let mut added = Vec::new();
    for BatchRows { batch, .. } in batches {
        // What an earlier change of the batch sets is replaced at once.
        if let Some(metadata) = batch.changes.iter().rev().find_map(|new| new.metadata.as_ref()) {
            added.push((batch.document, store_metadata(txn, batch.document, metadata).await?));
        }
    }
    count_bytes(txn, added).await
}

/// Advances the documents to the last versions of their batches.
///
/// # Errors
/// [`CommitError::Overtaken`] if a document is no longer at the base version of its batch.
async fn assign_versions(
    txn: &DatabaseTransaction,
    batches: &[BatchRows<'_>],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    use document::Column::{DeletedAt, Id, Size, StoredBytes, Title, UpdatedAt, Version};
    let mut heads: Vec<ValueTuple> = batches.iter().filter_map(BatchRows::new_head).collect();
    if heads.is_empty() {
        return Ok(());
    }
    let expected = heads.len() as u64;
    // No document has the id of zeros.
    let no_head = (Uuid::nil(), 0_i64, 0_i64, 0_i64, String::new(), 0_i64);
    fill_up(&mut heads, &no_head.into_value_tuple());
    // Both databases name the columns of a list of values `column1`, `column2` and so on.
    let head_column = |number: u8| Expr::col(("new_head", format!("column{number}")));
    let own_column = |column: document::Column| Expr::col((document::Entity, column));
    let update = Query::update()
        .table(document::Entity)
        .from(TableRef::ValuesList(heads, "new_head".into()))
        .value(Version, own_column(Version).add(head_column(3)))
        .value(UpdatedAt, at)
        // A deletion leaves the size as it is.
        .value(Size, Expr::case(head_column(4).gte(0), head_column(4)).finally(own_column(Size)))
        .value(Title, head_column(5))
        .value(StoredBytes, own_column(StoredBytes).add(head_column(6)))
        .and_where(own_column(Id).eq(head_column(1)))
        .and_where(own_column(Version).eq(head_column(2)))
        .and_where(own_column(DeletedAt).is_null())
        .to_owned();
    if txn.execute(&update).await?.rows_affected() < expected {
        return Err(CommitError::Overtaken);
    }
    Ok(())
}

async fn insert_rows<A: ActiveModelTrait>(
    txn: &DatabaseTransaction,
    rows: Vec<A>,
) -> Result<(), CommitError> {
    for rows in divide(rows) {
        A::Entity::insert_many(rows).exec_without_returning(txn).await?;
    }
    Ok(())
}
