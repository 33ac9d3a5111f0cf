//! Events that are published to the subscribers of a document.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Change, Color, Cursor, DocumentId, Presence, SessionId, User, UserLevel};

/// The events that a subscription receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Accepted changes.
    Changes,
    /// Sessions that join and leave.
    Presence,
    /// Cursor moves.
    Cursors,
    /// The subscriber's own access level.
    Level,
    /// All of these, for a Yjs editor.
    Document,
}

/// Whether a session joined or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PresenceChangeKind {
    /// It opened the document.
    Joined,
    /// It closed the document, ended, or lost access.
    Left,
}

/// A session joined or left.
#[derive(Debug, Clone, PartialEq)]
pub struct PresenceChange {
    /// Whether it joined or left.
    pub kind: PresenceChangeKind,
    /// The session's presence at that time.
    pub presence: Presence,
}

/// A cursor moved.
#[derive(Debug, Clone, PartialEq)]
pub struct CursorMove {
    /// The document.
    pub document: DocumentId,
    /// The session.
    pub session: SessionId,
    /// The session's user.
    pub user: User,
    /// The user's colour in this document.
    pub color: Color,
    /// The new cursor.
    pub cursor: Cursor,
    /// The time at which the node received it.
    pub at: DateTime<Utc>,
}

/// An event in a document. It is the same for every viewer who receives it, so it is rendered once for many subscribers.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The document changed.
    Changed(Arc<Change>),
    /// A session joined or left.
    PresenceChanged(Arc<PresenceChange>),
    /// A cursor moved.
    CursorMoved(Arc<CursorMove>),
    /// The level of a user, whose sessions alone receive it.
    LevelRead(Arc<UserLevel>),
}

impl Event {
    /// Returns the topic whose subscribers receive it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Changed(_) => Topic::Changes,
            Self::PresenceChanged(_) => Topic::Presence,
            Self::CursorMoved(_) => Topic::Cursors,
            Self::LevelRead(_) => Topic::Level,
        }
    }
}
