//! Accepted changes.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};

use super::{Base64, DeltaOp, UserType, document::CONTENT, id};
use crate::{
    domain::{Change, ChangeKind},
    editing::LoadError,
    graphql::ApiError,
};

/// What a change did.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentChangeKind", remote = "ChangeKind")]
pub(in crate::graphql) enum DocumentChangeKindType {
    /// The text changed: `delta` and `update` say how.
    Edited,
    /// The title changed.
    Renamed,
    /// The document is gone; the stream ends with this.
    Deleted,
    /// Too old to replay: start again from `content` at `version`.
    Resync,
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
    async fn content(&self) -> Result<String, ApiError> {
        // Whoever selects it is only ever told of changes that bring it.
        let content = self.0.content.as_ref().ok_or(LoadError::NotKept)?;
        Ok(content.to_string())
    }

    /// From `version - 1` to `version`, where the text changed.
    async fn delta(&self) -> Option<Vec<DeltaOp>> {
        let delta = self.0.delta.as_ref()?;
        Some(delta.steps().map(Into::into).collect())
    }

    /// The same change as a Yjs v1 update.
    async fn update(&self) -> Option<Base64> {
        self.0.update.clone().map(Base64)
    }

    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.at
    }
}
