//! The transaction that stores batches of several documents.
//!
//! The transaction locks the documents that are free, reads their heads and the levels of the authors, and accepts the
//! batches that are authorized and based on the present head. It assigns the versions with
//! `UPDATE document SET version = version + k WHERE id = ? AND version = ?`. Apart from deletions, the number of
//! statements does not depend on the number of batches.
//!
//! Invariant: each version of a document is assigned once, no matter how many nodes write.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{document, document_access, document_change, document_receipt};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, IntoValueTuple, Query, TableRef, ValueTuple},
};

use super::{
    Batch, CommitError, Committed, StoreError,
    commit_authorization::CommitAuthorization,
    document_lock::try_lock_documents,
    pools::begin_write,
    purge::{delete_all, purge_log},
    renewable_pool::RenewablePool,
    retirement::Retirement,
    rows,
};
use crate::domain::{ChangeKind, DocumentId, Fingerprint, SessionId, Version};

/// How many rows one statement inserts. A statement may have 32,766 values in SQLite and 65,535 in PostgreSQL.
const MAX_ROWS_PER_STATEMENT: usize = 1024;

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
) -> Vec<GroupOutcome> {
    let committed = async |batches: &[Batch]| {
        let committed = retirement.limit(within, try_commit(committer, batches)).await;
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
) -> Result<Vec<GroupOutcome>, CommitError> {
    let txn = begin_write(committer).await?;
    let documents = batches.iter().map(|batch| batch.document);
    let free = try_lock_documents(&txn, documents).await?;
    if free.len() == batches.len() {
        let outcomes = commit_locked(txn, batches).await?;
        return Ok(outcomes.into_iter().map(GroupOutcome::Decided).collect());
    }
    if free.is_empty() {
        return Ok(batches.iter().map(|_| GroupOutcome::Locked).collect());
    }
    let is_free = |batch: &Batch| free.contains(&batch.document);
    let locked: Vec<_> = batches.iter().filter(|batch| is_free(batch)).cloned().collect();
    let mut outcomes = commit_locked(txn, &locked).await?.into_iter();
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
) -> Result<Vec<Result<Committed, CommitError>>, CommitError> {
    let authorization = CommitAuthorization::load(&txn, batches).await?;
    let at = rows::now();
    let outcomes: Vec<_> = batches.iter().map(|batch| authorization.check(batch, at)).collect();
    let accepted: Vec<&Batch> = batches
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(batch, _)| batch)
        .collect();
    if !accepted.is_empty() {
        write_batches(&txn, &accepted, at).await?;
        txn.commit().await.map_err(|error| CommitError::Unknown(error.into()))?;
    }
    Ok(outcomes)
}

async fn write_batches(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    assign_versions(txn, batches, at).await?;
    for batch in batches {
        if batch.changes.iter().any(|change| change.kind == ChangeKind::Deleted) {
            replace_with_tombstone(txn, batch.document, batch.base, at).await?;
        }
    }
    insert_changes(txn, batches, at).await?;
    insert_receipts(txn, batches, at).await
}

/// Advances the documents to the last versions of their batches.
///
/// # Errors
/// [`CommitError::Overtaken`] if a document is no longer at the base version of its batch.
async fn assign_versions(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    use document::Column::{DeletedAt, Id, Size, Title, UpdatedAt, Version};
    let heads: Vec<ValueTuple> = batches.iter().filter_map(|batch| new_head(batch)).collect();
    if heads.is_empty() {
        return Ok(());
    }
    let expected = heads.len() as u64;
    // Both databases name the columns of a list of values `column1`, `column2` and so on.
    let head_column = |number: u8| Expr::col(("new_head", format!("column{number}")));
    let own_column = |column: document::Column| Expr::col((document::Entity, column));
    let update = Query::update()
        .table(document::Entity)
        .from(TableRef::ValuesList(heads, "new_head".into()))
        .value(Version, own_column(Version).add(head_column(3)))
        .value(UpdatedAt, at)
        .value(Size, head_column(4))
        .value(Title, head_column(5))
        .and_where(own_column(Id).eq(head_column(1)))
        .and_where(own_column(Version).eq(head_column(2)))
        .and_where(own_column(DeletedAt).is_null())
        .to_owned();
    if txn.execute(&update).await?.rows_affected() < expected {
        return Err(CommitError::Overtaken);
    }
    Ok(())
}

/// Returns the values that update the document of a batch: its id, its present version, the number of new versions, the
/// new size and the new title. `None` if the batch has no changes.
fn new_head(batch: &Batch) -> Option<ValueTuple> {
    let last = batch.changes.last()?;
    let count = i64::try_from(batch.changes.len()).unwrap_or(i64::MAX);
    let size = i64::try_from(last.size).unwrap_or(i64::MAX);
    let (id, base) = (batch.document.uuid(), batch.base.number());
    Some((id, base, count, size, last.title.to_string()).into_value_tuple())
}

async fn insert_changes(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut version = batch.base;
        for change in &batch.changes {
            version = version.next();
            let delta = change.delta.as_deref().map(serde_json::to_string).transpose();
            let (edit, fingerprint) = match &change.edit {
                Some((edit, fingerprint)) => (Some(edit), Some(fingerprint)),
                None => (None, None),
            };
            rows.push(document_change::ActiveModel {
                document_id: Set(batch.document.uuid()),
                version: Set(version.number()),
                kind: Set(rows::stored_kind(change.kind)),
                author_id: Set(Some(change.author.uuid())),
                session_id: Set(change.session.map(SessionId::uuid)),
                edit_id: Set(edit.map(|edit| edit.as_str().to_owned())),
                fingerprint: Set(fingerprint.map(|Fingerprint(bytes)| bytes.to_vec())),
                title: Set(change.title.to_string()),
                at: Set(at),
                delta: Set(delta.map_err(StoreError::internal)?),
                update: Set(change.update.as_ref().map(|update| update.to_vec())),
            });
        }
    }
    insert_rows(txn, rows).await
}

async fn insert_receipts(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    let mut rows = Vec::new();
    for batch in batches {
        for receipt in &batch.receipts {
            rows.push(document_receipt::ActiveModel {
                document_id: Set(batch.document.uuid()),
                author_id: Set(receipt.author.uuid()),
                edit_id: Set(receipt.edit.as_str().to_owned()),
                version: Set(receipt.version.number()),
                title: Set(receipt.title.to_string()),
                fingerprint: Set(receipt.fingerprint.0.to_vec()),
                at: Set(at),
            });
        }
    }
    insert_rows(txn, rows).await
}

async fn insert_rows<A: ActiveModelTrait>(
    txn: &DatabaseTransaction,
    rows: Vec<A>,
) -> Result<(), CommitError> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        A::Entity::insert_many(rows.by_ref().take(MAX_ROWS_PER_STATEMENT))
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Replaces the document with a tombstone: deletes its title, text, grants and log, but a long log later. `head` is the
/// version before the deletion.
async fn replace_with_tombstone(
    txn: &DatabaseTransaction,
    id: DocumentId,
    head: Version,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let access_version = document::Column::AccessVersion;
    document::Entity::update_many()
        .col_expr(access_version, Expr::col(access_version).add(1))
        .col_expr(document::Column::Title, Expr::value(""))
        .col_expr(document::Column::Content, Expr::value(""))
        .col_expr(document::Column::Size, Expr::value(0))
        .col_expr(document::Column::DeletedAt, Expr::value(at))
        .filter(document::Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    delete_all::<document_access::Entity>(txn, document_access::Column::DocumentId, id.uuid())
        .await?;
    purge_log(txn, id, head).await
}
