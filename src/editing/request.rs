//! What can be ordered from a room, and what comes of it.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{ApplyError, LoadError, MergeError};
use crate::{
    domain::{
        Content, Delta, DeltaMismatch, DocumentId, EditId, Fingerprint, SessionId, Text, Title,
        UserId, Version,
    },
    store::StoreError,
};

/// A change that somebody wants stored.
#[derive(Debug, Clone)]
pub struct EditRequest {
    /// The document.
    pub document: DocumentId,
    /// Who wants it.
    pub author: UserId,
    /// The session on or for which it is wanted, if one is known.
    pub session: Option<SessionId>,
    /// What its client calls it, so that it can be repeated.
    pub edit: Option<EditId>,
    /// What is wanted.
    pub wish: EditKind,
}

/// What is wanted of a document.
#[derive(Debug, Clone)]
pub enum EditKind {
    /// A change of the text, written for the text at a version.
    Edit {
        /// That version.
        base: Version,
        /// The change.
        delta: Arc<Delta>,
    },
    /// Another title, another text, or both. The text is merged as its difference from the one at `base`, or from the
    /// present one.
    Replace {
        /// The title.
        title: Option<Title>,
        /// The whole text.
        content: Option<Text>,
        /// What the text was made from.
        base: Option<Version>,
    },
    /// What a Yjs editor wrote: updates that follow each other, merged as one change.
    Merge {
        /// The updates.
        updates: Vec<Bytes>,
        /// Whether to say what is known of each client after it.
        acknowledge: bool,
    },
    /// The end of the document.
    Delete,
}

/// Why a change was not stored, or may not have been.
#[derive(Debug, Clone, Error)]
pub enum EditError {
    /// Too many changes of this document wait already.
    #[error("too many changes of the document are waiting")]
    Busy,
    /// Where the document stands could not be read.
    #[error("the document could not be opened")]
    Unreadable,
    /// The room ended before it could say what became of the change.
    #[error("the room ended before the change was answered")]
    Unanswered,
    /// The connection to the database broke at the wrong moment.
    #[error("it is not known whether the change was stored")]
    Unknown,
    /// Applying it took longer than is allowed.
    #[error("applying the change took too long")]
    TooMuchWork,
    /// The delta does not fit the text that it was made for.
    #[error(transparent)]
    DeltaMismatch(#[from] DeltaMismatch),
    /// The document would become too large.
    #[error("the document would become too large")]
    TooLarge {
        /// The bytes that it would have.
        size: usize,
        /// The bytes that it may have.
        limit: usize,
    },
    /// What an editor wrote cannot be merged.
    #[error(transparent)]
    Merge(MergeError),
    /// The version that the change was made for is older than what is kept.
    #[error("the base version is no longer kept")]
    BaseTooOld {
        /// The version that the document has.
        head: Version,
    },
    /// The version that the change was made for does not exist yet.
    #[error("the base version is not there yet")]
    BaseInFuture {
        /// The version that the document has.
        head: Version,
    },
    /// Another edit of the same name was accepted before.
    #[error("another edit had the same name")]
    NameTaken,
    /// Other nodes were first every time.
    #[error("other nodes changed the document first")]
    Overtaken,
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text that it was made for could not be made.
    #[error(transparent)]
    Load(LoadError),
}

impl From<ApplyError> for EditError {
    fn from(refused: ApplyError) -> Self {
        match refused {
            ApplyError::DeltaMismatch(misfit) => Self::DeltaMismatch(misfit),
            ApplyError::TooLarge { size, limit } => Self::TooLarge { size, limit },
        }
    }
}

impl From<MergeError> for EditError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            error => Self::Merge(error),
        }
    }
}

impl From<LoadError> for EditError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(error) => Self::Store(error),
            error => Self::Load(error),
        }
    }
}

/// What came of an order.
#[derive(Debug, Clone)]
pub struct StoredEdit {
    /// The version that the order made; where it changed nothing, the one that there was.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// When that version was made.
    pub at: DateTime<Utc>,
    /// The text at that version, if it was just stored.
    pub content: Option<Content>,
    /// What is stored of each client, as a Yjs v1 state vector: for an editor that wants to know.
    pub state_vector: Option<Bytes>,
    /// Whether something of what an editor wrote was left out, because it hangs on what is not here.
    pub is_partial: bool,
}

impl EditRequest {
    /// The bytes that it brings.
    pub(crate) fn bytes(&self) -> usize {
        match &self.wish {
            EditKind::Edit { delta, .. } => delta.weight(),
            EditKind::Replace { content, .. } => {
                content.as_ref().map_or(0, |text| text.as_str().len())
            }
            EditKind::Merge { updates, .. } => updates.iter().map(Bytes::len).sum(),
            EditKind::Delete => 0,
        }
    }

    /// A digest of what it asks for. It is stored, so what goes into it must stay the same.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        let mut part = |tag: &[u8; 4], bytes: &[u8]| {
            digest.update(tag);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        let number = |version: &Version| version.number().to_be_bytes();
        match &self.wish {
            EditKind::Edit { base, delta } => {
                part(b"base", &number(base));
                // Writing a delta to memory cannot fail.
                part(b"edit", &serde_json::to_vec(&**delta).unwrap_or_default());
            }
            EditKind::Replace { title, content, base } => {
                if let Some(base) = base {
                    part(b"base", &number(base));
                }
                if let Some(title) = title {
                    part(b"titl", title.as_str().as_bytes());
                }
                if let Some(content) = content {
                    part(b"text", content.as_str().as_bytes());
                }
            }
            EditKind::Merge { updates, .. } => {
                for update in updates {
                    part(b"updt", update);
                }
            }
            EditKind::Delete => part(b"dele", &[]),
        }
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&digest.finalize()[..16]);
        Fingerprint(fingerprint)
    }

    /// Whether it changes the text, if anything.
    pub(crate) fn is_about_text(&self) -> bool {
        matches!(
            self.wish,
            EditKind::Edit { .. }
                | EditKind::Merge { .. }
                | EditKind::Replace { content: Some(_), .. }
        )
    }

    /// Whether it is what a Yjs editor wrote, which has it already.
    pub(crate) fn is_editors(&self) -> bool {
        matches!(self.wish, EditKind::Merge { .. })
    }

    /// Whether its author wants to know what is stored of each client.
    pub(crate) fn wants_state_vector(&self) -> bool {
        matches!(self.wish, EditKind::Merge { acknowledge: true, .. })
    }

    /// The delta that it means for the text that it was made for.
    pub(crate) fn delta_for(&self, base: &Content, deadline: Instant) -> Arc<Delta> {
        match &self.wish {
            EditKind::Edit { delta, .. } => Arc::clone(delta),
            EditKind::Replace { content: Some(text), .. } => {
                Arc::new(Delta::between(&base.to_string(), text.as_str(), deadline))
            }
            EditKind::Replace { content: None, .. } | EditKind::Merge { .. } | EditKind::Delete => {
                Arc::default()
            }
        }
    }

    /// The version that its text was made for; none: whatever there is.
    pub(crate) fn base(&self) -> Option<Version> {
        match &self.wish {
            EditKind::Edit { base, .. } => Some(*base),
            EditKind::Replace { base, .. } => *base,
            EditKind::Merge { .. } | EditKind::Delete => None,
        }
    }
}
