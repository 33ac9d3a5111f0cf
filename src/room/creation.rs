//! Creating and copying documents: a large text waits for its turn among all large work.

use std::time::Duration;

use super::Rooms;
use crate::{
    domain::{Document, DocumentKey, Metadata, Party, Text, Title, UserId},
    editing::{
        LoadError, Replica,
        loader::{MAX_INLINE_BYTES, off_thread},
    },
    fair_queue::FairPermit,
    store::NewDocument,
};

/// How long a large text of a new document, or a copy, may wait for its turn.
const CREATE_WITHIN: Duration = Duration::from_secs(30);

/// A document to create, with a text.
#[derive(Debug, Clone)]
pub struct DocumentDraft {
    /// Its title.
    pub title: Title,
    /// Its text.
    pub text: Text,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its key, if it gets one.
    pub key: Option<DocumentKey>,
}

impl DocumentDraft {
    /// Returns a document without metadata and key.
    #[must_use]
    pub fn new(title: Title, text: Text) -> Self {
        Self { title, text, metadata: Metadata::empty(), key: None }
    }
}

impl Rooms {
    /// Creates a document at its first version.
    ///
    /// # Errors
    /// [`LoadError::Store`]: the owner has no account, a quota is used up, the key is taken, or the store failed. [`LoadError::Busy`]: the text is
    /// large, and too much other large work waits.
    pub async fn create(&self, owner: UserId, draft: DocumentDraft) -> Result<Document, LoadError> {
        let DocumentDraft { title, text, metadata, key } = draft;
        let store = &self.parts().store;
        store.check_change_allowance(owner)?;
        let size = text.as_str().len();
        let _turn = match size > MAX_INLINE_BYTES {
            true => Some(self.turn_to_create(owner).await?),
            false => None,
        };
        let state = off_thread(size, move || Replica::of(text.as_str()).state()).await?;
        Ok(store.create(owner, NewDocument { title, size, state, metadata, key }).await?)
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
        // Until the copy is stored, since its content is in memory. How large it is shows only then.
        let _turn = self.turn_to_create(owner).await?;
        let metadata = store.read_for(party, store.load_metadata(original.id)).await??;
        let read = |replica: &Replica| (replica.content().bytes(), replica.state());
        let reading = self.read_replica(original.id, original.version, party, read);
        let (size, state) = reading.await?;
        Ok(store.create(owner, NewDocument { title, size, state, metadata, key }).await?)
    }

    /// Waits for a turn of the owner among all large work.
    async fn turn_to_create(&self, owner: UserId) -> Result<FairPermit<Party>, LoadError> {
        let party = Party::User(owner);
        let turn = self.shared().permits.acquire_within(party, CREATE_WITHIN).await;
        turn.map_err(|_too_late| LoadError::Busy)
    }
}
