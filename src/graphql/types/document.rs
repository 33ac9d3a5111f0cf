//! Documents and who may do what with them.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};

use super::{PresenceType, UserType, id};
use crate::{
    domain::{AccessLevel, Collaborator, Content, Document, User},
    graphql::{ApiError, caller::api},
    store::StoreError,
};

/// Ordered: VIEW < EDIT < OWNER.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AccessLevel", remote = "AccessLevel")]
pub(in crate::graphql) enum AccessLevelType {
    /// May read, be present and show a cursor.
    View,
    /// May also change title and text.
    Edit,
    /// May also delete the document and decide who else has access.
    Owner,
}

/// Somebody who was granted access.
pub(in crate::graphql) struct CollaboratorType(pub(in crate::graphql) Collaborator);

/// Somebody who was granted access to a document.
#[Object(name = "Collaborator")]
impl CollaboratorType {
    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    async fn level(&self) -> AccessLevelType {
        self.0.level.into()
    }

    async fn granted_at(&self) -> DateTime<Utc> {
        self.0.granted_at
    }
}

/// A text costs what fifty fields do: it may have megabytes, and each alias of it is written out in full. A page of 20
/// texts still fits into one operation (the store ends a page of long ones early), but no thousand copies of one.
pub(super) const CONTENT: usize = 50;

/// A document, as a caller who may open it sees it.
pub(in crate::graphql) struct DocumentType {
    pub(in crate::graphql) document: Document,
    pub(in crate::graphql) access: AccessLevel,
    /// Its owner, if whoever made this knew.
    pub(in crate::graphql) owner: Option<User>,
    /// Its text, if whoever made this knew.
    pub(in crate::graphql) content: Option<Content>,
}

/// A document at one version.
#[Object(name = "Document")]
impl DocumentType {
    async fn id(&self) -> ID {
        id(self.document.id.uuid())
    }

    async fn title(&self) -> &str {
        &self.document.title
    }

    /// The text at `version`.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self, ctx: &Context<'_>) -> Result<String, ApiError> {
        if let Some(content) = &self.content {
            return Ok(content.to_string());
        }
        let Document { id, version, .. } = self.document;
        Ok(api(ctx)?.rooms.content_at(id, version).await?.to_string())
    }

    /// Grows by one with every accepted change; the base of `editDocument` and of `documentChanged(since:)`.
    async fn version(&self) -> i64 {
        self.document.version.number()
    }

    async fn owner(&self, ctx: &Context<'_>) -> Result<UserType, ApiError> {
        if let Some(owner) = &self.owner {
            return Ok(UserType(owner.clone()));
        }
        let mut users = api(ctx)?.store.load_users([self.document.owner]).await?;
        let owner = users.remove(&self.document.owner);
        Ok(UserType(owner.ok_or(StoreError::NoSuchUser)?))
    }

    /// The caller's own level.
    async fn access(&self) -> AccessLevelType {
        self.access.into()
    }

    /// Who else was granted access, in the order of granting.
    #[graphql(complexity = "2 + child_complexity")]
    async fn collaborators(&self, ctx: &Context<'_>) -> Result<Vec<CollaboratorType>, ApiError> {
        let collaborators = api(ctx)?.store.list_collaborators(self.document.id).await?;
        Ok(collaborators.into_iter().map(CollaboratorType).collect())
    }

    /// Who has the document open, in order of arrival.
    async fn presence(&self, ctx: &Context<'_>) -> Result<Vec<PresenceType>, ApiError> {
        let present = api(ctx)?.roster.list(self.document.id).await;
        Ok(present.into_iter().map(PresenceType).collect())
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.document.created_at
    }

    async fn updated_at(&self) -> DateTime<Utc> {
        self.document.updated_at
    }
}
