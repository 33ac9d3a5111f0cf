//! Accepted changes.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};

use super::{UserType, document::CONTENT, id};
use crate::domain::{Change, ChangeKind};

/// What a change did.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentChangeKind", remote = "ChangeKind")]
pub(in crate::graphql) enum DocumentChangeKindType {
    /// The text changed.
    Edited,
    /// The title changed.
    Renamed,
    /// The document is gone; the stream ends with this.
    Deleted,
}

/// One accepted change.
pub(in crate::graphql) struct DocumentChangeType(pub(in crate::graphql) Arc<Change>);

/// One accepted change: it is stored.
#[Object(name = "DocumentChange")]
impl DocumentChangeType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    async fn kind(&self) -> DocumentChangeKindType {
        let kind: ChangeKind = self.0.kind;
        kind.into()
    }

    /// The version that the change made.
    async fn version(&self) -> i64 {
        self.0.version.number()
    }

    /// Who made it; null when the account is gone.
    async fn author(&self) -> Option<UserType> {
        self.0.author.clone().map(UserType)
    }

    /// The session that made it; null for a change over plain HTTP without X-Session-Id.
    async fn session_id(&self) -> Option<ID> {
        self.0.session.map(|session| id(session.uuid()))
    }

    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The whole text at `version`.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self) -> &str {
        &self.0.content
    }

    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.at
    }
}
