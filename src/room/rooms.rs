//! The open rooms of this node: one per document, opened under one lock.
//!
//! A room is marked before it closes. A request to open its document then waits until the room is gone, so a node never has
//! two rooms for one document.

use std::{collections::HashMap, sync::Arc};

use actix::{AsyncContext as _, Context};
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    RoomError, RoomHandle, RoomOptions, RoomParts,
    actor::{
        Room,
        registration::{RegisteredRoom, Registration},
        relayed::RelayedMoves,
    },
    parts::RoomsShared,
    stale_documents::StaleDocuments,
};
use crate::{
    domain::{Content, Cursor, DocumentId, EditId, Party, SessionId, UserId, Version},
    editing::{
        AuthoredPassages, EarlierContent, EditError, EditKind, EditRequest, EntryCounts, GivenBody,
        HistoryError, LoadError, Replica, StoredEdit, VersionDifference, body_fingerprint,
        document_passages::PassageQuery,
        entry_counts::ChangeRange,
        loader::{LoadedReplica, off_thread},
        version_difference::VersionPair,
    },
    quota::{AllowanceUse, HeldDocument},
    store::StoreError,
    wire::envelope::Envelope,
};

/// The number of rooms that are closed at the same time when the node stops.
const CLOSED_AT_ONCE: usize = 64;

/// The open rooms of this node. Clones share them.
#[derive(Clone)]
pub struct Rooms {
    open: Arc<Mutex<HashMap<DocumentId, OpenRoom>>>,
    shared: Arc<RoomsShared>,
    stale: Arc<StaleDocuments>,
}

struct OpenRoom {
    handle: RoomHandle,
    registered: RegisteredRoom,
}

impl Rooms {
    /// Returns no open rooms.
    #[must_use]
    pub fn new(parts: RoomParts, options: RoomOptions) -> Self {
        let shared = Arc::new(RoomsShared::new(parts, options));
        Self { open: Arc::default(), shared, stale: Arc::default() }
    }

    /// Returns the room of a document. Opens it if necessary. Does not check access.
    pub async fn open(&self, document: DocumentId) -> RoomHandle {
        loop {
            match self.open_or_wait(document) {
                Ok(room) => return room,
                // The channel closes when the room is gone.
                Err(mut gone) => while gone.changed().await.is_ok() {},
            }
        }
    }

    /// Returns the room of a document if it is open.
    #[must_use]
    pub fn find(&self, document: DocumentId) -> Option<RoomHandle> {
        let open = self.open.lock();
        let room = open.get(&document).filter(|room| !room.registered.is_closing());
        room.map(|room| room.handle.clone())
    }

    /// Stores an edit through the document's room.
    ///
    /// # Errors
    /// [`EditError`]. Nothing was stored, except for [`EditError::Unanswered`] and [`EditError::Unknown`], where that is
    /// not known.
    pub async fn edit(&self, request: EditRequest) -> Result<StoredEdit, EditError> {
        self.check_allowance(&request)?;
        let open_documents = &self.shared.parts.open_documents;
        let _open = match request.kind {
            // A deletion closes the document.
            EditKind::Delete => None,
            EditKind::Edit { .. }
            | EditKind::Replace { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Merge { .. } => {
                let opened = open_documents.open(request.author, request.document);
                Some(opened.map_err(StoreError::from)?)
            }
        };
        loop {
            match self.open(request.document).await.submit(request.clone()).await {
                Ok(answer) => return answer.await.unwrap_or(Err(EditError::Unanswered)),
                Err(RoomError::Closed) => {}
                Err(_) => return Err(EditError::Unreadable),
            }
        }
    }

    /// Checks that the author may store changes, before anything is done for the request. A deletion is always possible, since
    /// it makes room. What an editor sends is often stored already, so it is checked when that is known.
    fn check_allowance(&self, request: &EditRequest) -> Result<(), StoreError> {
        match request.kind {
            EditKind::Delete | EditKind::Merge { .. } => Ok(()),
            EditKind::Edit { .. }
            | EditKind::Replace { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. } => {
                self.shared.parts.store.check_change_allowance(request.author)
            }
        }
    }

    /// Returns how many documents a user has open on this node.
    #[must_use]
    pub fn open_documents(&self, user: UserId) -> AllowanceUse {
        self.shared.parts.open_documents.used(user)
    }

    /// Counts a document as open for a user, until the returned value is dropped.
    ///
    /// # Errors
    /// [`RoomError::TooManyOpen`].
    pub(super) fn hold_open(
        &self,
        user: UserId,
        document: DocumentId,
    ) -> Result<HeldDocument, RoomError> {
        Ok(self.shared.parts.open_documents.open(user, document)?)
    }

    /// Returns the plain text of the body of a document at a version, for a party. Reads it beside the snapshot of that version if it is
    /// kept there, and otherwise from the Yjs document. Does not check access.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if the document was deleted or the version is no longer kept, [`LoadError::Busy`] if it is large
    /// and too many large texts are being loaded.
    pub async fn text_at(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<Content, LoadError> {
        let store = &self.parts().store;
        let kept = store.read_for(party, store.find_body_text(document, version)).await??;
        if let Some(text) = kept {
            return Ok(Content::from(&*text));
        }
        let text = self.shared.loader.text(document, version, party).await?;
        if text.content.bytes() > 0 && !text.has_other_body {
            return Ok(text.content);
        }
        let write =
            |replica: &Replica| Content::from(&*replica.body_text(usize::MAX).unwrap_or_default());
        self.read_replica(document, version, party, write).await
    }

    /// Returns the version that a replacement of a body made when it was stored before. `None` if it was not. Does not check access.
    ///
    /// # Errors
    /// [`EditError::NameTaken`] if the author has stored another edit under this name, or the store failed.
    pub async fn find_replacement(
        &self,
        document: DocumentId,
        edit: (UserId, EditId),
        base: Version,
        body: &GivenBody,
    ) -> Result<Option<Version>, EditError> {
        let store = &self.parts().store;
        let (party, edits) = (Party::User(edit.0), [edit]);
        let found = store.read_for(party, store.find_edits(document, &edits)).await??;
        let Some(receipt) = found.into_values().next() else { return Ok(None) };
        let body = body.clone();
        let fingerprint = off_thread(usize::MAX, move || body_fingerprint(base, &body)).await?;
        match receipt.fingerprint.is_none_or(|stored| stored == fingerprint) {
            true => Ok(Some(receipt.version)),
            false => Err(EditError::NameTaken),
        }
    }

    /// Returns what `make` makes of the Yjs document at a version, for a party. Does not check access.
    ///
    /// # Errors
    /// As [`text_at`](Self::text_at).
    pub(crate) async fn read_replica<T: Send + 'static>(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
        make: impl FnOnce(&Replica) -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        let loading = self.shared.loader.replica(document, version, party);
        let LoadedReplica { replica, memory, .. } = loading.await?;
        let bytes = replica.memory();
        let work = move || {
            let made = make(&replica);
            // It is counted for as long as it exists.
            drop((replica, memory));
            made
        };
        off_thread(bytes, work).await
    }

    /// Returns the content of a document at an earlier version, for a party that restores it. Does not check access.
    ///
    /// # Errors
    /// As [`text_at`](Self::text_at).
    pub async fn load_earlier(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<EarlierContent, LoadError> {
        self.shared.loader.earlier(document, version, party).await
    }

    /// Compares two versions of a document, for a party. Does not check access.
    ///
    /// # Errors
    /// [`HistoryError`]; of its load errors as [`text_at`](Self::text_at).
    pub(crate) async fn compare_versions(
        &self,
        versions: VersionPair,
        party: Party,
    ) -> Result<VersionDifference, HistoryError> {
        self.shared.loader.compare(versions, party).await
    }

    /// Finds who wrote the passages of a document at a version, for a party. Does not check access.
    ///
    /// # Errors
    /// As [`compare_versions`](Self::compare_versions).
    pub(crate) async fn find_passages(
        &self,
        query: PassageQuery,
        party: Party,
    ) -> Result<AuthoredPassages, HistoryError> {
        self.shared.loader.passages(query, party).await
    }

    /// Counts what some changes of a document inserted and deleted, for a party. `None` if they are too large to be counted, or no
    /// longer kept. Does not check access.
    ///
    /// # Errors
    /// As [`compare_versions`](Self::compare_versions).
    pub(crate) async fn count_changes(
        &self,
        changes: ChangeRange,
        party: Party,
    ) -> Result<Option<EntryCounts>, HistoryError> {
        self.shared.loader.count_changes(changes, party).await
    }

    /// Moves the cursor of a session that has the document open, on this node or another.
    pub fn move_cursor(&self, document: DocumentId, session: SessionId, cursor: Cursor) {
        match self.find(document) {
            Some(room) => room.move_cursor(session, cursor),
            None => {
                let envelope = Envelope::MoveCursor { session, cursor };
                self.shared.parts.bridge.publish(document, envelope);
            }
        }
    }

    /// Closes every room after it has stored what it is storing.
    pub async fn close(&self) {
        let closing = self.all().into_iter().map(|(room, mut gone)| async move {
            room.close().await;
            while gone.changed().await.is_ok() {}
        });
        stream::iter(closing).for_each_concurrent(CLOSED_AT_ONCE, |room| room).await;
    }

    /// Waits until the snapshots of rooms are stored.
    pub async fn snapshots_stored(&self) {
        self.shared.snapshots.finish().await;
    }

    /// Waits until the rooms that are open now have closed by themselves.
    pub async fn gone(&self) {
        for (_room, mut gone) in self.all() {
            while gone.changed().await.is_ok() {}
        }
    }

    /// Returns what all rooms share.
    pub(super) fn shared(&self) -> &RoomsShared {
        &self.shared
    }

    /// Returns what the rooms are built from.
    pub(super) fn parts(&self) -> &RoomParts {
        &self.shared.parts
    }

    /// Returns the documents whose room may have missed a message.
    pub(super) fn stale(&self) -> &StaleDocuments {
        &self.stale
    }

    /// Returns the open rooms by their documents.
    pub(super) fn handles(&self) -> HashMap<DocumentId, RoomHandle> {
        let open = self.open.lock();
        open.iter().map(|(document, room)| (*document, room.handle.clone())).collect()
    }

    fn all(&self) -> Vec<(RoomHandle, watch::Receiver<()>)> {
        let rooms = self.open.lock();
        rooms.values().map(|room| (room.handle.clone(), room.registered.gone())).collect()
    }

    fn open_or_wait(&self, document: DocumentId) -> Result<RoomHandle, watch::Receiver<()>> {
        let mut open = self.open.lock();
        if let Some(room) = open.get(&document) {
            if room.registered.is_closing() || !room.handle.is_open() {
                return Err(room.registered.gone());
            }
            return Ok(room.handle.clone());
        }
        let rooms = Arc::downgrade(&self.open);
        let (registration, registered) = Registration::new(move || {
            if let Some(rooms) = rooms.upgrade() {
                rooms.lock().remove(&document);
            }
        });
        let relayed = RelayedMoves::default();
        let room = Room::new(document, Arc::clone(&self.shared), registration, relayed.clone());
        let mut context = Context::new();
        let capacity = self.shared.options.mailbox;
        context.set_mailbox_capacity(capacity);
        let metrics = self.shared.parts.metrics.clone();
        let handle = RoomHandle::new(context.address(), metrics, capacity, relayed);
        open.insert(document, OpenRoom { handle: handle.clone(), registered });
        // A room that cannot be started takes itself off the list, which needs the lock.
        drop(open);
        context.run(room);
        Ok(handle)
    }
}
