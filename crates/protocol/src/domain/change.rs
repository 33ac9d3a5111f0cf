//! Accepted changes of documents and their versions.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Content, Delta, DocumentId, Origin, SessionId, User};

/// The version of a document: 1 at creation, incremented by every accepted change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Version(i64);

impl Version {
    /// The version of a new document.
    pub const FIRST: Self = Self(1);

    /// Creates the version with this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number, as stored and shown.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Returns the version that the next accepted change will have.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the version before this one. For [`Version::FIRST`] that is 0, which no document has.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

/// Consecutive versions of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The first one.
    pub from: Version,
    /// The last one, which is not below the first.
    pub to: Version,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The text changed, as the delta and the update describe.
    Edited,
    /// The title changed.
    Renamed,
    /// The document was deleted.
    Deleted,
    /// The document began a new Yjs history. Neither text nor title changed.
    Compacted,
    /// Not a change: the state to restart from when earlier changes can no longer be replayed.
    Resync,
}

/// One accepted change, as published to the document's subscribers.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The document that changed.
    pub document: DocumentId,
    /// What the change did.
    pub kind: ChangeKind,
    /// The version that this change created.
    pub version: Version,
    /// The author. `None` if the account no longer exists.
    pub author: Option<User>,
    /// The session that sent it, if known.
    pub session: Option<SessionId>,
    /// The title at `version`.
    pub title: Arc<str>,
    /// The delta from `version - 1` to `version`, if the text changed.
    pub delta: Option<Arc<Delta>>,
    /// The same change as a Yjs v1 update.
    pub update: Option<Bytes>,
    /// The whole text at `version`, if known. Empty after a deletion.
    pub content: Option<Content>,
    /// The time at which it was stored.
    pub at: DateTime<Utc>,
    /// The time at which `version - 1` was stored, if known. It tells two changes with the same version apart: one that
    /// the database has lost, and one that was stored instead.
    pub previous_at: Option<DateTime<Utc>>,
}

impl Change {
    /// Estimates its memory use in bytes.
    ///
    /// The contents of neighbouring versions share most nodes of their ropes, so the text counts with at most the few
    /// nodes on the path to the changed position.
    #[must_use]
    pub fn weight(&self) -> usize {
        const MAX_CONTENT_BYTES: usize = 4 * 1024;
        let delta = self.delta.as_ref().map_or(0, |delta| delta.weight());
        let update = self.update.as_ref().map_or(0, Bytes::len);
        let content =
            self.content.as_ref().map_or(0, |content| content.bytes().min(MAX_CONTENT_BYTES));
        size_of::<Self>() + self.title.len() + delta + update + content
    }

    /// Returns the origin, to which the change is not delivered. `None` if the account no longer exists.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let user = self.author.as_ref()?.id;
        Some(Origin { user, session: self.session })
    }
}
