//! The log of changes: what goes in, and what comes of it.
//!
//! Changes that were rebased onto the same head are one [`Batch`], and are stored in one transaction or not at all.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::document;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, SqlErr};
use thiserror::Error;

use super::{Store, StoreError};
use crate::domain::{
    AccessLevel, ChangeKind, Delta, DocumentId, EditId, Fingerprint, SessionId, User, UserId,
    Version,
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
    /// How often somebody's access to the document was changed.
    pub access_version: i64,
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
    /// Who else must be allowed to change the document, though nothing of theirs is stored.
    pub askers: Vec<UserId>,
}

impl Batch {
    /// What each change needs its author to have.
    pub(super) fn needed(&self) -> impl Iterator<Item = (UserId, AccessLevel)> {
        let changes = self.changes.iter().map(|change| match change.kind {
            ChangeKind::Deleted => (change.author, AccessLevel::Owner),
            ChangeKind::Edited | ChangeKind::Renamed | ChangeKind::Resync => {
                (change.author, AccessLevel::Edit)
            }
        });
        let receipts = self.receipts.iter().map(|receipt| receipt.author);
        let others = receipts.chain(self.askers.iter().copied());
        changes.chain(others.map(|author| (author, AccessLevel::Edit)))
    }

    /// Whether there is nothing to store and nobody to ask about.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.receipts.is_empty() && self.askers.is_empty()
    }

    /// How many rows it makes.
    pub(super) fn rows(&self) -> usize {
        self.changes.len() + self.receipts.len()
    }

    /// About how many bytes of changes it has.
    pub(super) fn bytes(&self) -> usize {
        // A delta says about the same as the update.
        let bytes =
            |change: &NewChange| change.update.as_ref().map_or(0, |update| 2 * update.len());
        self.changes.iter().map(bytes).sum()
    }
}

/// What an edit that was accepted earlier did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The version that it was answered with.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// When it was accepted.
    pub at: DateTime<Utc>,
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

impl CommitError {
    /// Whether the database could not do it, whatever it was asked.
    pub(super) fn is_about_database(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Store(StoreError::Unavailable(_)))
    }

    /// The same once more, for another batch that the same failure hit.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Denied(users) => Self::Denied(users.clone()),
            Self::Overtaken => Self::Overtaken,
            Self::Repeated => Self::Repeated,
            Self::Unknown(error) => Self::Unknown(error.again()),
            Self::Store(error) => Self::Store(error.again()),
        }
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
    /// Where a document stands; none if there is none or it was deleted. Whether the caller may know is for him to
    /// check.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_head(&self, document: DocumentId) -> Result<Option<Head>, StoreError> {
        let row: Option<(i64, String, DateTime<Utc>, i64)> = document::Entity::find()
            .select_only()
            .columns([document::Column::Version])
            .column(document::Column::Title)
            .column(document::Column::UpdatedAt)
            .column(document::Column::AccessVersion)
            .filter(document::Column::Id.eq(document.uuid()))
            .filter(document::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.map(|(version, title, at, access_version)| Head {
            version: Version::new(version),
            title: title.into(),
            at,
            access_version,
        }))
    }

    /// Stores a batch, all of it or nothing. Batches that come while another commit is under way, or sooner than
    /// `store.commit_every` after it, share the next one.
    ///
    /// # Cancel safety
    /// A batch whose future is dropped may be stored all the same.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was stored, but for [`CommitError::Unknown`], where that is not known.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commits.commit(batch).await
    }
}
