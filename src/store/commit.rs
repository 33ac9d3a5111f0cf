//! One transaction that stores batches of several documents.
//!
//! It reads where the documents stand and what the authors may do, takes the batches that are in time and allowed, and
//! gives their versions out with `UPDATE document SET version = version + k WHERE id = ? AND version = ?`, so that each
//! is given out once, whoever else writes. The number of statements does not depend on the number of batches.

use chrono::{DateTime, Utc};
use entity::{document, document_access, document_change, document_receipt, document_snapshot};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait,
    QueryFilter,
    sea_query::{Expr, ExprTrait, IntoValueTuple, Query, TableRef, ValueTuple},
};

use super::{
    Batch, CommitError, Committed, StoreError,
    commit_authorization::CommitAuthorization,
    pools::{begin_writing, lock_documents},
    rows,
};
use crate::domain::{ChangeKind, DocumentId, Fingerprint, SessionId};

/// So many rows go into one statement: it has room for 32,766 values in SQLite and 65,535 in PostgreSQL.
const ROWS: usize = 1024;

/// Stores batches of different documents, and answers to each in its place.
pub(super) async fn commit_together(
    writer: &DatabaseConnection,
    batches: &[Batch],
) -> Vec<Result<Committed, CommitError>> {
    match attempt(writer, batches).await {
        Ok(answers) => answers,
        // One of them may be what the database did not like: the others are not to suffer for it.
        Err(error) if batches.len() > 1 && !error.is_about_database() => {
            let mut answers = Vec::with_capacity(batches.len());
            for batch in batches {
                let alone = attempt(writer, std::slice::from_ref(batch)).await;
                answers.extend(alone.unwrap_or_else(|error| vec![Err(error)]));
            }
            answers
        }
        Err(error) => batches.iter().map(|_| Err(error.again())).collect(),
    }
}

async fn attempt(
    writer: &DatabaseConnection,
    batches: &[Batch],
) -> Result<Vec<Result<Committed, CommitError>>, CommitError> {
    let txn = begin_writing(writer).await?;
    lock_documents(&txn, batches.iter().map(|batch| batch.document)).await?;
    let standing = CommitAuthorization::load(&txn, batches).await?;
    let at = rows::now();
    let answers: Vec<_> = batches.iter().map(|batch| standing.judge(batch, at)).collect();
    let accepted: Vec<&Batch> =
        batches.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(b, _)| b).collect();
    if !accepted.is_empty() {
        store(&txn, &accepted, at).await?;
        txn.commit().await.map_err(|error| CommitError::Unknown(error.into()))?;
    }
    Ok(answers)
}

async fn store(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    give_out_versions(txn, batches, at).await?;
    for batch in batches {
        if batch.changes.iter().any(|change| change.kind == ChangeKind::Deleted) {
            bury(txn, batch.document, at).await?;
        }
    }
    append(txn, batches, at).await?;
    remember(txn, batches, at).await
}

/// Gives out the versions of the batches.
async fn give_out_versions(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    use document::Column::{DeletedAt, Id, Size, Title, UpdatedAt, Version};
    let born: Vec<ValueTuple> = batches.iter().filter_map(|batch| born(batch)).collect();
    if born.is_empty() {
        return Ok(());
    }
    let wanted = born.len() as u64;
    // Both databases call the columns of a list of values so.
    let born_column = |number: u8| Expr::col(("born", format!("column{number}")));
    let own_column = |column: document::Column| Expr::col((document::Entity, column));
    let update = Query::update()
        .table(document::Entity)
        .from(TableRef::ValuesList(born, "born".into()))
        .value(Version, own_column(Version).add(born_column(3)))
        .value(UpdatedAt, at)
        .value(Size, born_column(4))
        .value(Title, born_column(5))
        .and_where(own_column(Id).eq(born_column(1)))
        .and_where(own_column(Version).eq(born_column(2)))
        .and_where(own_column(DeletedAt).is_null())
        .to_owned();
    if txn.execute(&update).await?.rows_affected() < wanted {
        return Err(CommitError::Overtaken);
    }
    Ok(())
}

/// What the row of a batch's document becomes: its id, the version that it has, how many more there will be, the size
/// and the title.
fn born(batch: &Batch) -> Option<ValueTuple> {
    let last = batch.changes.last()?;
    let count = i64::try_from(batch.changes.len()).unwrap_or(i64::MAX);
    let size = i64::try_from(last.size).unwrap_or(i64::MAX);
    let (id, seen) = (batch.document.uuid(), batch.seen.number());
    Some((id, seen, count, size, last.title.to_string()).into_value_tuple())
}

async fn append(
    txn: &DatabaseTransaction,
    batches: &[&Batch],
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut version = batch.seen;
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
                delta: Set(delta.map_err(|error| StoreError::Internal(error.into()))?),
                update: Set(change.update.as_ref().map(|update| update.to_vec())),
            });
        }
    }
    insert(txn, rows).await
}

async fn remember(
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
    insert(txn, rows).await
}

async fn insert<A: ActiveModelTrait>(
    txn: &DatabaseTransaction,
    rows: Vec<A>,
) -> Result<(), CommitError> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        A::Entity::insert_many(rows.by_ref().take(ROWS)).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Makes the document a tombstone: title, text, grants, log and snapshots go.
async fn bury(
    txn: &DatabaseTransaction,
    id: DocumentId,
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
    delete_all::<document_access::Entity>(txn, document_access::Column::DocumentId, id).await?;
    delete_all::<document_change::Entity>(txn, document_change::Column::DocumentId, id).await?;
    delete_all::<document_snapshot::Entity>(txn, document_snapshot::Column::DocumentId, id).await?;
    delete_all::<document_receipt::Entity>(txn, document_receipt::Column::DocumentId, id).await
}

async fn delete_all<E: EntityTrait>(
    txn: &DatabaseTransaction,
    of: E::Column,
    document: DocumentId,
) -> Result<(), StoreError> {
    E::delete_many().filter(of.eq(document.uuid())).exec(txn).await?;
    Ok(())
}
