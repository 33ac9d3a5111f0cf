//! The log of changes: where versions are born.
//!
//! Changes that were rebased onto the same head are stored together, in one transaction. It reads what their authors
//! may do and the head, and gives the versions out with `UPDATE document SET version = version + k WHERE id = ? AND
//! version = ?`, so that each is given out once, whoever else writes.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::{document, document_access, document_change, document_receipt, document_snapshot};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, SqlErr,
    sea_query::{Expr, ExprTrait},
};
use thiserror::Error;

use super::{Store, StoreError, authors::Authors, rows};
use crate::domain::{
    ChangeKind, Delta, DocumentId, EditId, Fingerprint, SessionId, User, UserId, Version,
};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version of its last change.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// When that version was made.
    pub at: DateTime<Utc>,
}

/// A change that is to be stored under the next version.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// What it does.
    pub kind: ChangeKind,
    /// Who makes it.
    pub author: UserId,
    /// On which session, if one is known.
    pub session: Option<SessionId>,
    /// The name of the edit, on the last of its changes.
    pub edit: Option<(EditId, Fingerprint)>,
    /// The title after it.
    pub title: Arc<str>,
    /// How the text changes, if it does.
    pub delta: Option<Arc<Delta>>,
    /// The same as a Yjs v1 update.
    pub update: Option<Bytes>,
    /// How large the text is after it, in bytes of UTF-8.
    pub size: usize,
}

/// An edit that changed nothing, to be remembered.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// Who made it.
    pub author: UserId,
    /// Its name.
    pub edit: EditId,
    /// What it asked for.
    pub fingerprint: Fingerprint,
    /// The version that it is answered with.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
}

/// What is to be stored together, all or nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The document.
    pub document: DocumentId,
    /// The version that the first change was made for.
    pub seen: Version,
    /// The changes, each made for the text that the one before leaves.
    pub changes: Vec<NewChange>,
    /// Edits that changed nothing.
    pub receipts: Vec<NewReceipt>,
}

/// What an edit that was accepted earlier did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The version that it was answered with.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// What it asked for; none for edits of which that is not known.
    pub fingerprint: Option<Fingerprint>,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// When.
    pub at: DateTime<Utc>,
    /// The authors, with the names that they have now.
    pub authors: HashMap<UserId, User>,
}

/// Why a batch was not stored.
#[derive(Debug, Error)]
pub enum CommitError {
    /// These authors may not do what they ask for; there may be no such document.
    #[error("some authors may not change the document")]
    Denied(Vec<UserId>),
    /// Somebody else changed the document after the version that the batch was made for.
    #[error("another node changed the document first")]
    Overtaken,
    /// An edit of this name was stored already.
    #[error("an edit of the batch was stored earlier")]
    Repeated,
    /// It is not known whether the batch was stored: look its edits up before trying again.
    #[error("it is not known whether the batch was stored")]
    Unknown(#[source] StoreError),
    /// Nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for CommitError {
    fn from(error: sea_orm::DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Repeated,
            _ => Self::Store(error.into()),
        }
    }
}

impl Store {
    /// Where a document stands; none if there is none or it was deleted. Whether the caller may know is for him to
    /// check.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_head(&self, document: DocumentId) -> Result<Option<Head>, StoreError> {
        let row: Option<(i64, String, DateTime<Utc>)> = document::Entity::find()
            .select_only()
            .columns([document::Column::Version])
            .column(document::Column::Title)
            .column(document::Column::UpdatedAt)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.map(|(version, title, at)| Head {
            version: Version::new(version),
            title: title.into(),
            at,
        }))
    }

    /// Stores a batch, all of it or nothing.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was stored, but for [`CommitError::Unknown`], where that is not known.
    pub async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        let txn = self.begin().await?;
        let (head, authors) = Authors::load(&txn, batch).await?;
        let denied = authors.denied(batch);
        if !denied.is_empty() {
            return Err(CommitError::Denied(denied));
        }
        if head != Some(batch.seen) {
            return Err(CommitError::Overtaken);
        }
        let at = rows::now();
        if !batch.changes.is_empty() {
            if !give_out_versions(&txn, batch, at).await? {
                return Err(CommitError::Overtaken);
            }
            if batch.changes.iter().any(|change| change.kind == ChangeKind::Deleted) {
                bury(&txn, batch.document, at).await?;
            }
            append(&txn, batch, at).await?;
        }
        if !batch.receipts.is_empty() {
            remember(&txn, batch, at).await?;
        }
        txn.commit().await.map_err(|error| CommitError::Unknown(error.into()))?;
        Ok(Committed { at, authors: authors.users })
    }
}

/// Gives out the versions of the batch, unless somebody else just gave them out.
async fn give_out_versions(
    txn: &DatabaseTransaction,
    batch: &Batch,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let Some(last) = batch.changes.last() else { return Ok(true) };
    let count = i64::try_from(batch.changes.len()).unwrap_or(i64::MAX);
    let mut update = document::Entity::update_many()
        .col_expr(document::Column::Version, Expr::col(document::Column::Version).add(count))
        .col_expr(document::Column::UpdatedAt, Expr::value(at))
        .col_expr(document::Column::Size, Expr::value(i64::try_from(last.size).unwrap_or(i64::MAX)))
        .filter(document::Column::Id.eq(batch.document.uuid()))
        .filter(document::Column::Version.eq(batch.seen.number()))
        .filter(document::Column::DeletedAt.is_null());
    if batch.changes.iter().any(|change| change.kind == ChangeKind::Renamed) {
        update = update.col_expr(document::Column::Title, Expr::value(&*last.title));
    }
    Ok(update.exec(txn).await?.rows_affected > 0)
}

async fn append(
    txn: &DatabaseTransaction,
    batch: &Batch,
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    let mut version = batch.seen;
    let mut rows = Vec::with_capacity(batch.changes.len());
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
    // A statement has room for 32,766 values in SQLite and 65,535 in PostgreSQL.
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        document_change::Entity::insert_many(rows.by_ref().take(256))
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

async fn remember(
    txn: &DatabaseTransaction,
    batch: &Batch,
    at: DateTime<Utc>,
) -> Result<(), CommitError> {
    let rows = batch.receipts.iter().map(|receipt| document_receipt::ActiveModel {
        document_id: Set(batch.document.uuid()),
        author_id: Set(receipt.author.uuid()),
        edit_id: Set(receipt.edit.as_str().to_owned()),
        version: Set(receipt.version.number()),
        title: Set(receipt.title.to_string()),
        fingerprint: Set(receipt.fingerprint.0.to_vec()),
        at: Set(at),
    });
    document_receipt::Entity::insert_many(rows).exec_without_returning(txn).await?;
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
    document_access::Entity::delete_many()
        .filter(document_access::Column::DocumentId.eq(id.uuid()))
        .exec(txn)
        .await?;
    document_change::Entity::delete_many()
        .filter(document_change::Column::DocumentId.eq(id.uuid()))
        .exec(txn)
        .await?;
    document_snapshot::Entity::delete_many()
        .filter(document_snapshot::Column::DocumentId.eq(id.uuid()))
        .exec(txn)
        .await?;
    document_receipt::Entity::delete_many()
        .filter(document_receipt::Column::DocumentId.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}
