//! Documents and access to them.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;

use super::{
    DocumentText, JsonObject, NamedVersionType, PresenceType, Timestamp, UserType, id::id,
};
use crate::{
    domain::{AccessLevel, Collaborator, Content, Document, InvalidInput, User},
    editing::LoadError,
    graphql::{
        ApiError,
        answer::{Encoded, answer_budget},
        caller::api,
        complexity::{CONTENT, TEXT_REBUILD},
        loaders::{Loaders, loaders},
    },
};

/// What a user may do with a document. Each level includes those before it: `VIEW`, `EDIT`, `OWNER`.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AccessLevel", remote = "AccessLevel")]
pub(in crate::graphql) enum AccessLevelType {
    /// Read the document, subscribe to it, and show presence and a cursor.
    View,
    /// Also change the title, the metadata and the text.
    Edit,
    /// Also delete the document and grant and revoke access.
    Owner,
}

/// A user who was granted access.
pub(in crate::graphql) struct CollaboratorType(pub(in crate::graphql) Collaborator);

/// A user who was granted access to a document.
#[Object(name = "Collaborator")]
impl CollaboratorType {
    /// The user. Until one who was named by their e-mail address has accepted, `name` is the address, and `id` names only this
    /// grant.
    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    async fn level(&self) -> AccessLevelType {
        self.0.level.into()
    }

    /// The time at which the user was granted the current level.
    async fn granted_at(&self) -> Timestamp {
        Timestamp(self.0.granted_at)
    }

    /// The time at which the access ends by itself, if it does.
    async fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at.map(Timestamp)
    }
}

/// A text that was in memory when a document was answered.
pub(in crate::graphql) struct KnownText {
    content: Content,
    written: OnceCell<Encoded<String>>,
}

impl KnownText {
    /// Returns the text, written as JSON the first time.
    async fn written(&self, loaders: &Loaders) -> Result<Encoded<String>, LoadError> {
        let write = || loaders.write(self.content.clone());
        self.written.get_or_try_init(write).await.cloned()
    }
}

impl From<Content> for KnownText {
    fn from(content: Content) -> Self {
        Self { content, written: OnceCell::new() }
    }
}

/// A document and the access of the caller to it.
pub(in crate::graphql) struct DocumentType {
    pub(in crate::graphql) document: Document,
    pub(in crate::graphql) access: AccessLevel,
    /// The owner, if it has been loaded already.
    pub(in crate::graphql) owner: Option<User>,
    /// The text, if it is known already.
    pub(in crate::graphql) content: Option<KnownText>,
    /// When it was deleted, if it is in a bin.
    pub(in crate::graphql) deleted_at: Option<DateTime<Utc>>,
}

impl DocumentType {
    /// Returns a document of which nothing else has been loaded.
    pub(in crate::graphql) fn new(document: Document, access: AccessLevel) -> Self {
        Self { document, access, owner: None, content: None, deleted_at: None }
    }
}

/// A document at one version.
#[Object(name = "Document")]
impl DocumentType {
    pub(super) async fn id(&self) -> ID {
        id(self.document.id.uuid())
    }

    async fn title(&self) -> &str {
        &self.document.title
    }

    /// The name of the document that an application has chosen, if it has one. It can be sent wherever the id of a document can.
    async fn key(&self, ctx: &Context<'_>) -> Result<Option<String>, ApiError> {
        Ok(loaders(ctx)?.key(self.document.id).await?.map(|key| key.to_string()))
    }

    /// What an application has noted about the document: a JSON object. It is the present one, also in the answer to a repeated edit.
    async fn metadata(&self, ctx: &Context<'_>) -> Result<Encoded<JsonObject>, ApiError> {
        let metadata = loaders(ctx)?.metadata(self.document.id).await?;
        let json = Encoded::json(metadata.as_json());
        answer_budget(ctx)?.spend_bytes(json.bytes())?;
        Ok(json)
    }

    /// The plain text of the body at `version`, whatever its type: of the root type `content` if it has text, and otherwise of the
    /// first other one by name that has content, trees first and maps last. Blocks are joined by line feeds. Deltas refer to the root type `content` only.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        if self.deleted_at.is_some() {
            return Err(in_bin().into());
        }
        // An empty text may be that of a document with another body.
        if let Some(known) = self.content.as_ref().filter(|known| known.content.bytes() > 0) {
            let text = known.written(loaders(ctx)?).await?;
            answer_budget(ctx)?.spend_bytes(text.bytes())?;
            return Ok(text);
        }
        loaders(ctx)?.text(self.document.id, self.document.version).await
    }

    /// The document at `version`, as `documentAt` shows it: its whole content beside its text.
    #[graphql(complexity = "TEXT_REBUILD + child_complexity")]
    async fn newest(&self, ctx: &Context<'_>) -> Result<DocumentText, ApiError> {
        if self.deleted_at.is_some() {
            return Err(in_bin().into());
        }
        let (document, version) = (self.document.id, self.document.version);
        let content = loaders(ctx)?.text(document, version).await?;
        Ok(DocumentText::new(document, version, content))
    }

    /// The number of the latest change. It starts at 1 and grows by one with each change. Use it as `baseVersion` of an
    /// edit and as `since` of `documentChanged`.
    async fn version(&self) -> i64 {
        self.document.version.number()
    }

    /// The user who owns the document: who created it, or to whom it was handed over.
    async fn owner(&self, ctx: &Context<'_>) -> Result<UserType, ApiError> {
        if let Some(owner) = &self.owner {
            return Ok(UserType(owner.clone()));
        }
        Ok(UserType(loaders(ctx)?.user(self.document.owner).await?))
    }

    /// The caller's level of access.
    async fn access(&self) -> AccessLevelType {
        self.access.into()
    }

    /// The users who were granted access, without the owner, in the order of granting. Those who were named by an e-mail address and
    /// have not accepted are shown to callers with `OWNER` only.
    #[graphql(complexity = "2 + child_complexity")]
    async fn collaborators(&self, ctx: &Context<'_>) -> Result<Vec<CollaboratorType>, ApiError> {
        let collaborators = loaders(ctx)?.collaborators(self.document.id).await?;
        let shown = collaborators
            .iter()
            .filter(|one| one.address.is_none() || self.access.allows(AccessLevel::Owner));
        Ok(shown.cloned().map(CollaboratorType).collect())
    }

    /// The sessions that have the document open, in the order in which they opened it.
    async fn presence(&self, ctx: &Context<'_>) -> Result<Vec<PresenceType>, ApiError> {
        let present = loaders(ctx)?.presence(self.document.id).await?;
        Ok(present.iter().cloned().map(PresenceType).collect())
    }

    /// The versions that have a name, newest version first, at most 100.
    #[graphql(complexity = "2 + 10 * child_complexity")]
    async fn named_versions(&self, ctx: &Context<'_>) -> Result<Vec<NamedVersionType>, ApiError> {
        let named = loaders(ctx)?.named_versions(self.document.id).await?;
        Ok(named.iter().cloned().map(NamedVersionType).collect())
    }

    async fn created_at(&self) -> Timestamp {
        Timestamp(self.document.created_at)
    }

    /// The time of the latest change of the title, the metadata or the text.
    async fn updated_at(&self) -> Timestamp {
        Timestamp(self.document.updated_at)
    }

    /// The time at which it was deleted. Null unless it is in the bin of the caller.
    async fn deleted_at(&self) -> Option<Timestamp> {
        self.deleted_at.map(Timestamp)
    }

    /// The time at which it is purged: deleted for good. Null unless it is in the bin of the caller.
    async fn purged_at(&self, ctx: &Context<'_>) -> Result<Option<Timestamp>, ApiError> {
        let store = &api(ctx)?.store;
        Ok(self.deleted_at.and_then(|at| store.purged_at(at)).map(Timestamp))
    }
}

fn in_bin() -> InvalidInput {
    let message =
        "The content of a document in the bin cannot be read. Bring it back with `undelete` first.";
    InvalidInput::new(message)
}
