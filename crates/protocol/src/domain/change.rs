//! Accepted, versioned steps of a document.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Content, Delta, DocumentId, Origin, SessionId, User};

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

    /// The version before; of the first one 0, which no document has.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
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
    /// The text changed: the delta and the update say how.
    Edited,
    /// The title changed.
    Renamed,
    /// The document is gone.
    Deleted,
    /// No change, but where to start again from, when what came before cannot be replayed any more.
    Resync,
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
    /// From `version - 1` to `version`, where the text changed.
    pub delta: Option<Arc<Delta>>,
    /// The same as a Yjs v1 update.
    pub update: Option<Bytes>,
    /// The whole text at `version`, where it is known; empty once the document is deleted.
    pub content: Option<Content>,
    /// When it was stored.
    pub at: DateTime<Utc>,
}

impl Change {
    /// About how many bytes it takes in memory. Of the text that is what it does not share with its neighbours: the
    /// few nodes of a rope on the way to the place of the change.
    #[must_use]
    pub fn weight(&self) -> usize {
        const OF_CONTENT: usize = 4 * 1024;
        let delta = self.delta.as_ref().map_or(0, |delta| delta.weight());
        let update = self.update.as_ref().map_or(0, Bytes::len);
        let content = self.content.as_ref().map_or(0, |content| content.bytes().min(OF_CONTENT));
        size_of::<Self>() + self.title.len() + delta + update + content
    }

    /// Who made it and need not hear of it; none when the account is gone.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let user = self.author.as_ref()?.id;
        Some(Origin { user, session: self.session })
    }
}
