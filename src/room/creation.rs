//! Creating and copying documents: a large text waits for its turn among all large work.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{RoomParts, Rooms};
use crate::{
    domain::{Budget, Document, DocumentKey, Metadata, Party, Text, Title, UserId},
    editing::{
        DocumentBody, EditError, LoadError, MergeBounds, MergeError, Replica,
        loader::{LoadedReplica, MAX_INLINE_BYTES, off_thread},
    },
    fair_queue::FairPermit,
    store::NewDocument,
};

/// The most steps that creating a document may take. Each node of a tree and each struct of an update takes one or a few.
const MAX_STEPS: u64 = 50_000_000;

/// How long a large text of a new document, or a copy, may wait for its turn.
const CREATE_WITHIN: Duration = Duration::from_secs(30);

/// The content of a document to create.
#[derive(Debug, Clone)]
pub enum DraftContent {
    /// A text.
    Text(Text),
    /// The content of a root type.
    Body(DocumentBody),
    /// A Yjs v1 update.
    Update(Bytes),
}

/// A document to create.
#[derive(Debug, Clone)]
pub struct DocumentDraft {
    /// Its title.
    pub title: Title,
    /// Its content.
    pub content: DraftContent,
    /// The name of the root type that is its body, if it is named.
    pub body: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its key, if it gets one.
    pub key: Option<DocumentKey>,
}

impl DocumentDraft {
    /// Returns a document without metadata and key.
    #[must_use]
    pub fn new(title: Title, text: Text) -> Self {
        let content = DraftContent::Text(text);
        Self { title, content, body: None, metadata: Metadata::empty(), key: None }
    }
}

impl DraftContent {
    /// Returns the size of the content, in bytes. A tree counts as large: it takes longer than its text.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            Self::Body(_) => MAX_INLINE_BYTES + 1,
            Self::Update(update) => MAX_INLINE_BYTES.max(update.len()) + 1,
        }
    }

    /// Returns a document with this content, and the body with this name.
    ///
    /// # Errors
    /// It breaks a rule or a limit, or takes too much work.
    fn into_replica(self, name: Option<&str>, bounds: &MergeBounds) -> Result<Replica, EditError> {
        match self {
            Self::Text(text) => Ok(Replica::with_body(text.as_str(), name)),
            Self::Body(body) => {
                let (replica, written) = Replica::with_body("", name).replace_body(&body, bounds);
                written?;
                replica.ok_or(EditError::TooMuchWork)
            }
            Self::Update(update) => {
                let (replica, merged) =
                    Replica::to_adopt(&update, bounds)?.merge(&[update], bounds);
                // A document is created with all of its content, or not at all.
                match merged? {
                    Some(merged) if merged.leaves_out => {
                        Err(MergeError::MissingDependencies.into())
                    }
                    _ => {
                        Ok(replica.ok_or(EditError::TooMuchWork)?.adopted(name, &bounds.budget)?)
                    }
                }
            }
        }
    }
}

impl Rooms {
    /// Creates a document at its first version.
    ///
    /// # Errors
    /// [`EditError::Store`]: the owner has no account, a quota is used up, the key is taken, or the store failed. [`EditError::Busy`]: the
    /// content is large, and too much other large work waits. Otherwise the content breaks a rule or a limit.
    pub async fn create(&self, owner: UserId, draft: DocumentDraft) -> Result<Document, EditError> {
        let DocumentDraft { title, content, body, metadata, key } = draft;
        let store = &self.parts().store;
        store.check_change_allowance(owner)?;
        let bytes = content.bytes();
        let _turn = match bytes > MAX_INLINE_BYTES {
            true => Some(self.turn_to_create(owner).await?),
            false => None,
        };
        let bounds = self.bounds_of_creation();
        let make = move || content.into_replica(body.as_deref(), &bounds);
        let replica = off_thread(bytes, make).await??;
        let (size, state) = (replica.content().bytes(), replica.state());
        Ok(store.create(owner, NewDocument { title, size, state, metadata, key }).await?)
    }

    /// Returns the limits of the content of a new document.
    fn bounds_of_creation(&self) -> MergeBounds {
        let RoomParts {
            document_limit,
            state_limit,
            structs_limit,
            document_structs_limit,
            clients_limit,
            ..
        } = self.parts();
        MergeBounds {
            text: *document_limit,
            state: *state_limit,
            structs: *structs_limit,
            document_structs: *document_structs_limit,
            clients: *clients_limit,
            compare_until: (Instant::now() + CREATE_WITHIN).into_std(),
            budget: Budget::new(MAX_STEPS),
        }
    }

    /// Creates a document with the content and the metadata of another one, which the owner may view. Its title and key are given.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`LoadError`] if the original cannot be loaded.
    pub async fn copy(
        &self,
        owner: UserId,
        original: &Document,
        title: Title,
        key: Option<DocumentKey>,
    ) -> Result<Document, LoadError> {
        let (store, party) = (&self.parts().store, Party::User(owner));
        store.check_change_allowance(owner)?;
        let metadata = store.read_for(party, store.load_metadata(original.id)).await??;
        // Loading has turns and a memory account of its own, so that the turn here is for the work alone.
        let loading = self.shared().loader.replica(original.id, original.version, party);
        let LoadedReplica { replica, memory, .. } = loading.await?;
        let bytes = replica.memory();
        // Until the copy is stored, since its content is in memory.
        let _turn = match bytes > MAX_INLINE_BYTES {
            true => Some(self.turn_to_create(owner).await?),
            false => None,
        };
        let encode = move || {
            let encoded = (replica.content().bytes(), replica.state());
            // It is counted for as long as it exists.
            drop((replica, memory));
            encoded
        };
        let (size, state) = off_thread(bytes, encode).await?;
        Ok(store.create(owner, NewDocument { title, size, state, metadata, key }).await?)
    }

    /// Waits for a turn of the owner among all large work.
    pub(super) async fn turn_to_create(
        &self,
        owner: UserId,
    ) -> Result<FairPermit<Party>, LoadError> {
        let party = Party::User(owner);
        let turn = self.shared().permits.acquire_within(party, CREATE_WITHIN).await;
        turn.map_err(|_too_late| LoadError::Busy)
    }
}
