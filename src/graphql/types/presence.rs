//! Presence entries and their changes.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};

use super::{Timestamp, UserType, cursor::CursorType, id::id};
use crate::domain::{Presence, PresenceChange, PresenceChangeKind};

/// The presence of a session in a document.
pub(in crate::graphql) struct PresenceType(pub(in crate::graphql) Presence);

/// A session (a tab, a device) that has the document open. A user may have several.
#[Object(name = "Presence")]
impl PresenceType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    /// The session, as in `sessionId` of `connection_ack`.
    async fn session_id(&self) -> ID {
        id(self.0.session.uuid())
    }

    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    /// A CSS colour for the user. It is always the same for a user in a document.
    async fn color(&self) -> &str {
        self.0.color.as_css()
    }

    /// The last known cursor. Null if the session has not sent one, or if its editor has no cursor in the text.
    async fn cursor(&self) -> Option<CursorType> {
        self.0.cursor.map(Into::into)
    }

    /// The time at which the session opened the document.
    async fn joined_at(&self) -> Timestamp {
        Timestamp(self.0.joined_at)
    }

    /// The time at which the session opened the document or last moved its cursor.
    async fn last_seen(&self) -> Timestamp {
        Timestamp(self.0.last_seen)
    }
}

/// Whether a session opened or closed the document.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "PresenceChangeKind", remote = "PresenceChangeKind")]
pub(in crate::graphql) enum PresenceChangeKindType {
    /// The session opened the document.
    Joined,
    /// The session closed the document, ended, or lost access.
    Left,
}

/// A change of the presence in a document.
pub(in crate::graphql) struct PresenceChangeType(pub(in crate::graphql) Arc<PresenceChange>);

/// A session opened or closed the document.
#[Object(name = "PresenceChange")]
impl PresenceChangeType {
    async fn document_id(&self) -> ID {
        id(self.0.presence.document.uuid())
    }

    async fn kind(&self) -> PresenceChangeKindType {
        let kind: PresenceChangeKind = self.0.kind;
        kind.into()
    }

    /// The presence of the session. For `LEFT`, the last one before it left.
    async fn presence(&self) -> PresenceType {
        PresenceType(self.0.presence.clone())
    }
}
