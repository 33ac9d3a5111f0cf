//! The change log: the values that are written to it, and the outcome of a commit.
//!
//! A [`Batch`] holds changes of one document that were rebased onto the same head. [`Store::commit`] stores all of it
//! or nothing, and assigns the versions after the base version to its changes, in order. `log_reader` reads the log.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::document;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select, SqlErr};
use thiserror::Error;

use super::{Store, StoreError};
use crate::{
    domain::{
        AccessLevel, ChangeKind, Delta, DocumentId, EditId, Fingerprint, Metadata, SessionId, User,
        UserId, Version, VersionRange,
    },
    quota::QuotaExceeded,
};

/// The head of a document: its version and title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version of its last change.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// When that version was stored.
    pub at: DateTime<Utc>,
    /// A number that every change of a user's access to the document increments.
    pub access_version: i64,
}

impl Head {
    /// Whether this is the same version of the same history. A database that has lost changes stores others under their
    /// numbers, at another time.
    #[must_use]
    pub fn is_same_version(&self, other: &Self) -> bool {
        (self.version, self.at) == (other.version, other.at)
    }

    /// Converts a row of [`select_head`].
    pub(super) fn from_row((version, title, at, access_version): HeadRow) -> Self {
        Self { version: Version::new(version), title: title.into(), at, access_version }
    }
}

/// A row of [`select_head`].
pub(super) type HeadRow = (i64, String, DateTime<Utc>, i64);

/// Selects the head of a document that was not deleted.
pub(super) fn select_head(document: DocumentId) -> Select<document::Entity> {
    document::Entity::find()
        .select_only()
        .columns([document::Column::Version])
        .column(document::Column::Title)
        .column(document::Column::UpdatedAt)
        .column(document::Column::AccessVersion)
        .filter(document::Column::Id.eq(document.uuid()))
        .filter(document::Column::DeletedAt.is_null())
}

/// A change to store under the next version.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The kind of the change.
    pub kind: ChangeKind,
    /// Its author.
    pub author: UserId,
    /// The session that sent it, if known.
    pub session: Option<SessionId>,
    /// The id and fingerprint of its edit. An edit with several changes has them on the last one.
    pub edit: Option<(EditId, Fingerprint)>,
    /// The title after the change.
    pub title: Arc<str>,
    /// The metadata after the change, if it changes them.
    pub metadata: Option<Metadata>,
    /// The change of the text, if any.
    pub delta: Option<Arc<Delta>>,
    /// The same change as a Yjs v1 update.
    pub update: Option<Bytes>,
    /// The versions whose changes it takes back, if it does.
    pub takes_back: Option<VersionRange>,
    /// The size of the text after the change, in bytes of UTF-8.
    pub size: usize,
}

impl NewChange {
    /// Returns about what storing it takes, in bytes.
    #[must_use]
    pub fn estimated_bytes(&self) -> usize {
        // A delta is about as large as the update.
        let text = self.update.as_ref().map_or(0, |update| 2 * update.len());
        text + self.metadata.as_ref().map_or(0, |metadata| metadata.as_json().len())
    }
}

/// A receipt to store for an edit that changed nothing, so that repeating the edit returns the same result.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// The author of the edit.
    pub author: UserId,
    /// The id of the edit.
    pub edit: EditId,
    /// A digest of what the edit requested.
    pub fingerprint: Fingerprint,
    /// The version that its author receives as the result.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
}

/// Changes and receipts of one document that are stored together, all or nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The document.
    pub document: DocumentId,
    /// The version that the first change is based on. It must be the head when the batch is stored.
    pub base: Version,
    /// When that version was stored. If it is given, the head must have been stored at that time: otherwise the database
    /// has lost the base version and has another change under its number.
    pub base_at: Option<DateTime<Utc>>,
    /// The changes, each based on the result of the previous one.
    pub changes: Vec<NewChange>,
    /// Receipts of edits that changed nothing.
    pub receipts: Vec<NewReceipt>,
    /// Authors of edits for which nothing is stored. They receive a result, so they need edit access as well.
    pub other_authors: Vec<UserId>,
}

impl Batch {
    /// Returns the authors and the level that each of them needs for the batch to be stored.
    pub(super) fn required_levels(&self) -> impl Iterator<Item = (UserId, AccessLevel)> {
        let changes = self.changes.iter().map(|change| match change.kind {
            ChangeKind::Deleted => (change.author, AccessLevel::Owner),
            ChangeKind::Edited
            | ChangeKind::Renamed
            | ChangeKind::Compacted
            | ChangeKind::Resync => (change.author, AccessLevel::Edit),
        });
        let receipts = self.receipts.iter().map(|receipt| receipt.author);
        let others = receipts.chain(self.other_authors.iter().copied());
        changes.chain(others.map(|author| (author, AccessLevel::Edit)))
    }

    /// Whether there is nothing to store and no author to authorize.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.receipts.is_empty() && self.other_authors.is_empty()
    }

    /// Returns how many rows the batch inserts, plus the authors that are only authorized. It bounds the values of the
    /// statements that store the batch.
    pub(super) fn row_count(&self) -> usize {
        self.changes.len() + self.receipts.len() + self.other_authors.len()
    }

    /// Returns the approximate size of its changes in bytes.
    pub(super) fn estimated_bytes(&self) -> usize {
        self.changes.iter().map(NewChange::estimated_bytes).sum()
    }
}

/// The result of an edit that was accepted earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The version that its author received as the result.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// When it was accepted.
    pub at: DateTime<Utc>,
    /// A digest of what the edit requested, if known.
    pub fingerprint: Option<Fingerprint>,
}

/// The result of a stored batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// When the batch was stored.
    pub at: DateTime<Utc>,
    /// The authors of the batch, with their present names.
    pub authors: HashMap<UserId, User>,
}

/// Why a batch was not stored, or may not have been.
#[derive(Debug, Clone, Error)]
pub enum CommitError {
    /// These authors lack the required level, or there is no such document.
    #[error("some authors of the batch may not change the document")]
    Denied(Vec<UserId>),
    /// The document is not at the base version of the batch. Another node may have changed it first, or the database has
    /// lost that version.
    #[error("the document is not at the base version of the batch")]
    Overtaken,
    /// An edit of the batch was stored earlier, under the same id and author.
    #[error("an edit of the batch was stored earlier")]
    Repeated,
    /// The batch would exceed the quota of the document's owner.
    #[error(transparent)]
    OverQuota(QuotaExceeded),
    /// It is not known whether the batch was stored. Look up its edits before retrying.
    #[error("it is not known whether the batch was stored")]
    Unknown(#[source] StoreError),
    /// Nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// Whether the database failed, so that a retry with fewer batches would fail as well.
    pub(super) fn is_database_failure(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Store(StoreError::Unavailable(_)))
    }
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
    /// Returns the head of a document, or `None` if it does not exist or was deleted. The caller checks whether the
    /// viewer may see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_head(&self, document: DocumentId) -> Result<Option<Head>, StoreError> {
        let row = select_head(document).into_tuple().one(&self.readers).await?;
        Ok(row.map(Head::from_row))
    }

    /// Stores a batch, all of it or nothing. Batches that arrive during another commit, or sooner than
    /// `store.commit_every` after its start, share the next commit.
    ///
    /// # Cancel safety
    /// A batch may be stored although its future was dropped.
    ///
    /// # Errors
    /// [`CommitError`]. Nothing was stored, except that [`CommitError::Unknown`] leaves this open.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit_queue.commit(batch).await
    }
}
