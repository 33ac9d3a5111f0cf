//! Accepted changes of documents.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};

use super::{Base64, DeltaOp, Timestamp, UserType, id::id};
use crate::{
    domain::{Change, ChangeKind},
    editing::LoadError,
    graphql::{
        ApiError,
        answer::{CopyAllowance, Encoded, FirstTime, WrittenOnce, encode_delta},
        complexity::CONTENT,
    },
    room::EncodedFields,
    wire::yjs::for_clients,
};

/// What a change did.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentChangeKind", remote = "ChangeKind")]
pub(in crate::graphql) enum DocumentChangeKindType {
    /// The text changed, by `delta` and `update`.
    Edited,
    /// The title or the metadata changed.
    Renamed,
    /// The document was deleted. The subscription ends after this event.
    Deleted,
    /// The server has begun a new Yjs history of the document. Neither text nor title changed. Yjs editors load it again.
    Compacted,
    /// Not a change: the changes after `since` are no longer kept, or the database has lost changes. Replace the text and
    /// the title with `content` and `title`, and continue from `version`, which may be lower than before.
    Resync,
}

/// An accepted change, as one event.
pub(in crate::graphql) struct DocumentChangeType {
    change: Arc<Change>,
    /// What other audiences have encoded.
    encoded: Arc<EncodedFields>,
    content: WrittenOnce<String>,
    update: WrittenOnce<Base64>,
    delta: FirstTime,
    copies: CopyAllowance,
}

impl DocumentChangeType {
    /// Returns the event of `change`, whose audiences share what they encode.
    pub(in crate::graphql) fn new(change: Arc<Change>, encoded: Arc<EncodedFields>) -> Self {
        Self {
            change,
            encoded,
            content: WrittenOnce::new(),
            update: WrittenOnce::new(),
            delta: FirstTime::default(),
            copies: CopyAllowance::new(),
        }
    }
}

/// An accepted change of a document. It is stored. Select only the fields that you need: a client that applies `delta`
/// does not need `content`.
#[Object(name = "DocumentChange")]
impl DocumentChangeType {
    async fn document_id(&self) -> ID {
        id(self.change.document.uuid())
    }

    async fn kind(&self) -> DocumentChangeKindType {
        let kind: ChangeKind = self.change.kind;
        kind.into()
    }

    /// The version that the change created.
    async fn version(&self) -> i64 {
        self.change.version.number()
    }

    /// The author of the change. Null in `RESYNC` and `COMPACTED`, and if the account of the author was deleted.
    async fn author(&self) -> Option<UserType> {
        self.change.author.clone().map(UserType)
    }

    /// The session that made the change. Null in `RESYNC`, `COMPACTED` and for an HTTP request without the header `X-Session-Id`.
    async fn session_id(&self) -> Option<ID> {
        self.change.session.map(|session| id(session.uuid()))
    }

    /// The title at `version`.
    async fn title(&self) -> &str {
        &self.change.title
    }

    /// The whole text at `version`. Empty in `DELETED`.
    #[graphql(complexity = "CONTENT")]
    async fn content(&self) -> Result<Encoded<String>, ApiError> {
        // The room delivers a change with its content to every audience that selects it.
        let content = self.change.content.as_ref().ok_or(LoadError::NotKept)?;
        self.content.get(&self.copies, || {
            Ok(Encoded::shared(&self.encoded.content, (), || Encoded::text(content))?)
        })
    }

    /// The change of the text from `version - 1` to `version`. Null unless `kind` is `EDITED`.
    async fn delta(&self, ctx: &Context<'_>) -> Result<Option<Encoded<Vec<DeltaOp>>>, ApiError> {
        let Some(delta) = &self.change.delta else { return Ok(None) };
        let shared = &self.encoded.deltas;
        Ok(Some(encode_delta(ctx, delta, shared, self.delta.take(), &self.copies)?))
    }

    /// The same change as a Yjs v1 update. The text is `doc.getText('content')`.
    async fn update(&self) -> Result<Option<Encoded<Base64>>, ApiError> {
        let Some(update) = &self.change.update else { return Ok(None) };
        let encode = || Ok(Encoded::base64(&for_clients(update)));
        let write = || Encoded::shared(&self.encoded.update, (), encode);
        self.update.get(&self.copies, write).map(Some)
    }

    /// The time at which the change was stored.
    async fn changed_at(&self) -> Timestamp {
        Timestamp(self.change.at)
    }
}
