//! The open rooms of this node: one per document, opened under one lock.
//!
//! A room that closes is first marked as closing. Whoever opens its document then waits until it has gone, so
//! that a node never has two rooms of one document.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use actix::{AsyncContext as _, Context};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use super::{RoomError, RoomHandle, RoomOptions, actor::room::Room, awareness::clocks::Clocks};
use crate::{
    bridge::Bridge,
    domain::{
        AccessLevel, Content, Cursor, Document, DocumentId, SessionId, Text, Title, UserId, Version,
    },
    editing::{
        EditError, EditRequest, LoadError, Replica, StoredEdit,
        loader::{DocumentLoader, off_thread},
    },
    metrics::Metrics,
    roster::Roster,
    store::Store,
    wire::envelope::Envelope,
};

/// What a room is built from.
pub struct RoomParts {
    /// Where changes are stored.
    pub store: Store,
    /// The relay to other nodes.
    pub bridge: Arc<dyn Bridge>,
    /// Who is present.
    pub roster: Arc<dyn Roster>,
    /// The meters.
    pub metrics: Metrics,
    /// The largest text of a document, in bytes of UTF-8.
    pub document_limit: usize,
    /// The largest document as Yjs holds it, in bytes.
    pub state_limit: usize,
    /// The most structs that an editor's update may have.
    pub structs_limit: usize,
}

/// The open rooms of this node.
#[derive(Clone)]
pub struct Rooms {
    open: Arc<Mutex<HashMap<DocumentId, OpenRoom>>>,
    pub(super) shared: Arc<RoomsShared>,
    /// Documents of which something was told that may not have reached their room.
    pub(super) stale: Arc<Mutex<HashSet<DocumentId>>>,
    /// Something was noted there.
    pub(super) is_stale: Arc<Notify>,
}

/// What all rooms have.
pub(super) struct RoomsShared {
    pub(super) parts: RoomParts,
    pub(super) options: RoomOptions,
    pub(super) texts: DocumentLoader,
    /// So many large texts may be worked on at the same time.
    pub(super) benches: Arc<Semaphore>,
    /// Of what editors are told of each other.
    pub(super) clocks: Clocks,
}

struct OpenRoom {
    handle: RoomHandle,
    closing: bool,
    /// Ends when the room has gone.
    gone: watch::Receiver<()>,
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(parts: RoomParts, options: RoomOptions) -> Self {
        let texts = DocumentLoader::new(parts.store.clone(), options.texts_at_once);
        let benches = Arc::new(Semaphore::new(options.texts_at_once.max(1)));
        let shared =
            Arc::new(RoomsShared { parts, options, texts, benches, clocks: Clocks::default() });
        Self { open: Arc::default(), shared, stale: Arc::default(), is_stale: Arc::default() }
    }

    /// The room of a document, opened if it is not open. Ask for access first: this does not.
    pub async fn open(&self, document: DocumentId) -> RoomHandle {
        loop {
            match self.open_or_wait(document) {
                Ok(room) => return room,
                // An error is the good news: the sender has gone, and so has the room.
                Err(mut gone) => while gone.changed().await.is_ok() {},
            }
        }
    }

    /// The room of a document if it is open.
    #[must_use]
    pub fn find(&self, document: DocumentId) -> Option<RoomHandle> {
        let open = self.open.lock();
        open.get(&document).filter(|entry| !entry.closing).map(|entry| entry.handle.clone())
    }

    /// Stores a change through the document's room, opening it if need be.
    ///
    /// # Errors
    /// [`EditError`]; nothing was stored, but for [`EditError::Unanswered`] and [`EditError::Unknown`], where that is
    /// not known.
    pub async fn edit(&self, order: EditRequest) -> Result<StoredEdit, EditError> {
        loop {
            match self.open(order.document).await.edit(order.clone()).await {
                Ok(answer) => return answer,
                Err(RoomError::Closed) => {}
                Err(_) => return Err(EditError::Unreadable),
            }
        }
    }

    /// Makes a document, at its first version.
    ///
    /// # Errors
    /// [`LoadError::Store`]: the owner has no account, or the store failed.
    pub async fn create(
        &self,
        owner: UserId,
        title: Title,
        text: Text,
    ) -> Result<Document, LoadError> {
        let size = text.as_str().len();
        let state = off_thread(size, move || Replica::of(text.as_str()).state()).await?;
        Ok(self.shared.parts.store.create_document(owner, title, size, state).await?)
    }

    /// The text of a document at a version. Ask for access first: this does not.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if the document was deleted or the version is older than what is kept.
    pub async fn content_at(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Content, LoadError> {
        self.shared.texts.content(document, version).await
    }

    /// Moves the cursor of a session that has the document open, on this node or on another one.
    pub fn move_cursor(&self, document: DocumentId, session: SessionId, cursor: Cursor) {
        match self.find(document) {
            Some(room) => room.move_cursor(session, cursor),
            None => {
                let envelope = Envelope::MoveCursor { session, cursor };
                self.shared.parts.bridge.publish(document, envelope);
            }
        }
    }

    /// Tells the document's room here, and the other nodes, that a user's access changed. When it returns, a revoked
    /// user's streams have ended: on this node, and on all others that could be told within a second.
    pub async fn access_changed(
        &self,
        document: DocumentId,
        user: UserId,
        level: Option<AccessLevel>,
    ) {
        if let Some(room) = self.find(document) {
            room.access_changed(user, level).await;
        }
        self.shared.parts.metrics.published();
        self.shared.parts.bridge.publish_access_change(document, user, level).await;
    }

    /// The open rooms, by their document.
    pub(super) fn handles(&self) -> HashMap<DocumentId, RoomHandle> {
        let open = self.open.lock();
        open.iter().map(|(document, entry)| (*document, entry.handle.clone())).collect()
    }

    /// Closes every room; what is being stored is finished first.
    pub async fn close(&self) {
        for (room, mut gone) in self.all() {
            room.close().await;
            while gone.changed().await.is_ok() {}
        }
    }

    /// Waits until the rooms that are open now have closed by themselves.
    pub async fn gone(&self) {
        for (_room, mut gone) in self.all() {
            while gone.changed().await.is_ok() {}
        }
    }

    fn all(&self) -> Vec<(RoomHandle, watch::Receiver<()>)> {
        let rooms = self.open.lock();
        rooms.values().map(|entry| (entry.handle.clone(), entry.gone.clone())).collect()
    }

    fn open_or_wait(&self, document: DocumentId) -> Result<RoomHandle, watch::Receiver<()>> {
        let mut open = self.open.lock();
        if let Some(entry) = open.get(&document) {
            if entry.closing || !entry.handle.is_open() {
                return Err(entry.gone.clone());
            }
            return Ok(entry.handle.clone());
        }
        let (here, gone) = watch::channel(());
        let rooms = Arc::downgrade(&self.open);
        let registration = Registration { rooms, document, _here: here };
        let room = Room::new(document, Arc::clone(&self.shared), registration);
        let mut context = Context::new();
        context.set_mailbox_capacity(self.shared.options.mailbox);
        let handle = RoomHandle::new(context.address(), self.shared.parts.metrics.clone());
        open.insert(document, OpenRoom { handle: handle.clone(), closing: false, gone });
        // A room that cannot be started takes itself off the list, for which it needs the lock.
        drop(open);
        context.run(room);
        Ok(handle)
    }
}

/// A room's place among the open ones. Dropping it, at the latest with the room, gives the document free.
pub(super) struct Registration {
    rooms: Weak<Mutex<HashMap<DocumentId, OpenRoom>>>,
    document: DocumentId,
    _here: watch::Sender<()>,
}

impl Registration {
    /// From now on openers wait until the room has gone.
    pub(super) fn closing(&self) {
        let Some(rooms) = self.rooms.upgrade() else { return };
        if let Some(entry) = rooms.lock().get_mut(&self.document) {
            entry.closing = true;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(rooms) = self.rooms.upgrade() {
            rooms.lock().remove(&self.document);
        }
    }
}
