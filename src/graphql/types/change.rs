//! Accepted changes of documents.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};

use super::{Base64, DeltaOp, UserType, id::id};
use crate::{
    domain::{Change, ChangeKind},
    editing::LoadError,
    graphql::{ApiError, complexity::CONTENT},
};

/// What a change did.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentChangeKind", remote = "ChangeKind")]
pub(in crate::graphql) enum DocumentChangeKindType {
    /// The text changed, by `delta` and `update`.
    Edited,
    /// The title changed.
    Renamed,
    /// The document was deleted. The subscription ends after this event.
    Deleted,
    /// Not a change: the changes after `since` are no longer kept, or the database has lost changes. Replace the text and
    /// the title with `content` and `title`, and continue from `version`, which may be lower than before.
    Resync,
}

/// An accepted change.
pub(in crate::graphql) struct DocumentChangeType(pub(in crate::graphql) Arc<Change>);

/// An accepted change of a document. It is stored. Select only the fields that you need: a client that applies `delta`
/// does not need `content`.
#[Object(name = "DocumentChange")]
impl DocumentChangeType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    async fn kind(&self) -> DocumentChangeKindType {
        let kind: ChangeKind = self.0.kind;
        kind.into()
    }

    /// The version that the change created.
    async fn version(&self) -> i64 {
        self.0.version.number()
    }

    /// The author of the change. Null in `RESYNC` only.
    async fn author(&self) -> Option<UserType> {
        self.0.author.clone().map(UserType)
    }

    /// The session that made the change. Null in `RESYNC` and for an HTTP request without the header `X-Session-Id`.
    async fn session_id(&self) -> Option<ID> {
        self.0.session.map(|session| id(session.uuid()))
    }

    /// The title at `version`.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The whole text at `version`. Empty in `DELETED`.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self) -> Result<String, ApiError> {
        // The room delivers a change with its content to every audience that selects it.
        let content = self.0.content.as_ref().ok_or(LoadError::NotKept)?;
        Ok(content.to_string())
    }

    /// The change of the text from `version - 1` to `version`. Null unless `kind` is `EDITED`.
    async fn delta(&self) -> Option<Vec<DeltaOp>> {
        let delta = self.0.delta.as_ref()?;
        Some(delta.steps().map(Into::into).collect())
    }

    /// The same change as a Yjs v1 update. The text is `doc.getText('content')`.
    async fn update(&self) -> Option<Base64> {
        self.0.update.clone().map(Base64)
    }

    /// The time at which the change was stored.
    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.at
    }
}
