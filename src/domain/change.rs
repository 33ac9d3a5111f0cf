//! Accepted, versioned steps of a document.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DocumentId, SessionId, User};

/// How many changes a document has seen: 1 when it is made, one more with every accepted change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Version(i64);

impl Version {
    /// The version of a document that nobody has changed yet.
    pub const FIRST: Self = Self(1);

    /// The version with this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number as it is stored and shown.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The version that the next accepted change gets.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The text changed.
    Edited,
    /// The title changed.
    Renamed,
    /// The document is gone.
    Deleted,
}

/// One accepted change, as it is told to everybody who has the document open.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The document that changed.
    pub document: DocumentId,
    /// What happened to it.
    pub kind: ChangeKind,
    /// The version that this change made.
    pub version: Version,
    /// Who made it; nobody when the account is gone.
    pub author: Option<User>,
    /// The session that made it, if one did.
    pub session: Option<SessionId>,
    /// The title at `version`.
    pub title: Arc<str>,
    /// The whole text at `version`; empty once the document is deleted.
    pub content: Arc<str>,
    /// When it was stored.
    pub at: DateTime<Utc>,
}
