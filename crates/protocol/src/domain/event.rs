//! What those who have a document open are told of.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Change, Color, Cursor, DocumentId, Presence, SessionId, User};

/// What a subscription listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Accepted changes.
    Changes,
    /// Who arrives and leaves.
    Presence,
    /// Cursors.
    Cursors,
    /// All of it: what a Yjs editor has open.
    Document,
}

/// Whether a session arrived or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceChangeKind {
    /// It opened the document.
    Joined,
    /// It closed the document, was closed, or lost access.
    Left,
}

/// A session arrived or left.
#[derive(Debug, Clone, PartialEq)]
pub struct PresenceChange {
    /// Which of the two.
    pub kind: PresenceChangeKind,
    /// The session's entry, as it was then.
    pub presence: Presence,
}

/// A cursor moved.
#[derive(Debug, Clone, PartialEq)]
pub struct CursorMove {
    /// The document in which it moved.
    pub document: DocumentId,
    /// Whose session it is.
    pub session: SessionId,
    /// Whose cursor it is.
    pub user: User,
    /// The user's colour in this document.
    pub color: Color,
    /// Where it is now.
    pub cursor: Cursor,
    /// When the node took it in.
    pub at: DateTime<Utc>,
}

/// A fact about a document: the same for every viewer, so that it is rendered once for many.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The document changed.
    Changed(Arc<Change>),
    /// Somebody arrived or left.
    PresenceChanged(Arc<PresenceChange>),
    /// A cursor moved.
    CursorMoved(Arc<CursorMove>),
}

impl Event {
    /// The topic whose subscribers hear of it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Changed(_) => Topic::Changes,
            Self::PresenceChanged(_) => Topic::Presence,
            Self::CursorMoved(_) => Topic::Cursors,
        }
    }
}
