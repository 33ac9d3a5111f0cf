//! Presence entries, arrivals and departures.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};

use super::{UserType, cursor::CursorType, id};
use crate::domain::{Presence, PresenceChange, PresenceChangeKind};

/// One session's entry.
pub(in crate::graphql) struct PresenceType(pub(in crate::graphql) Presence);

/// One session (one tab, one device) that has the document open.
#[Object(name = "Presence")]
impl PresenceType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    async fn session_id(&self) -> ID {
        id(self.0.session.uuid())
    }

    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    /// CSS colour, stable for a user within a document.
    async fn color(&self) -> &str {
        self.0.color.as_css()
    }

    async fn cursor(&self) -> Option<CursorType> {
        self.0.cursor.map(Into::into)
    }

    async fn joined_at(&self) -> DateTime<Utc> {
        self.0.joined_at
    }

    async fn last_seen(&self) -> DateTime<Utc> {
        self.0.last_seen
    }
}

/// Whether a session arrived or left.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "PresenceChangeKind", remote = "PresenceChangeKind")]
pub(in crate::graphql) enum PresenceChangeKindType {
    /// The session opened the document.
    Joined,
    /// The session closed the document, was closed, or lost access.
    Left,
}

/// A session arrived or left.
pub(in crate::graphql) struct PresenceChangeType(pub(in crate::graphql) Arc<PresenceChange>);

/// A session arrived or left.
#[Object(name = "PresenceChange")]
impl PresenceChangeType {
    async fn document_id(&self) -> ID {
        id(self.0.presence.document.uuid())
    }

    async fn kind(&self) -> PresenceChangeKindType {
        let kind: PresenceChangeKind = self.0.kind;
        kind.into()
    }

    async fn presence(&self) -> PresenceType {
        PresenceType(self.0.presence.clone())
    }
}
