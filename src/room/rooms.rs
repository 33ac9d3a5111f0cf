//! The open rooms of this node: one per document, opened under one lock.
//!
//! A room is marked before it closes. A request to open its document then waits until the room is gone, so a node never has
//! two rooms for one document.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::{AsyncContext as _, Context};
use chrono::Utc;
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
    domain::{
        AccessChange, AccessLevel, Content, Cursor, Document, DocumentId, Party, SessionId,
        SignInId, Text, Title, UserId, Version,
    },
    editing::{
        EditError, EditKind, EditRequest, LoadError, Replica, StoredEdit,
        loader::{MAX_INLINE_BYTES, off_thread},
    },
    fair_queue::FairPermit,
    metrics::AccessOutcome,
    quota::{AllowanceUse, HeldDocument},
    store::{StoreError, UserAccess},
    wire::envelope::Envelope,
};

/// How long a large text of a new document may wait for its turn.
const CREATE_WITHIN: Duration = Duration::from_secs(30);

/// The number of changes of access that are announced at the same time.
const ANNOUNCED_AT_ONCE: usize = 64;

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

    /// Reads a user's access level when it is their turn, and counts the check.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if the level does not include `needed`: no document and too low a level look the same;
    /// [`StoreError::Busy`].
    pub async fn read_level(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<AccessLevel, StoreError> {
        Ok(self.read_access(user, document, needed).await?.0)
    }

    /// Reads a user's access level and the access version at which it was read, when it is their turn, and counts the check.
    ///
    /// # Errors
    /// As [`read_level`](Self::read_level).
    pub async fn read_access(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<(AccessLevel, i64), StoreError> {
        let store = &self.shared.parts.store;
        let find = || async {
            let found = store.read_for(Party::User(user), store.find_access(user, document));
            Ok(found.await??.map(|(level, access_version)| (access_version, level)))
        };
        let access = self.find_by_answer(user, document, needed, find).await?;
        let access = access.map(|(access_version, level)| (level, access_version));
        let level = self.check_level(access.map(|(level, _)| level), needed)?;
        Ok((level, access.map_or(0, |(_, access_version)| access_version)))
    }

    /// Reads a document together with a user's access level, when it is their turn, and counts the check.
    ///
    /// # Errors
    /// As [`read_level`](Self::read_level).
    pub async fn read_document(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
    ) -> Result<(Document, AccessLevel), StoreError> {
        let store = &self.shared.parts.store;
        let find =
            async || store.read_for(Party::User(user), store.find_document(user, document)).await?;
        let found = self.find_by_answer(user, document, needed, find).await?;
        let level = self.check_level(found.as_ref().map(|(_, level)| *level), needed)?;
        found.map(|(document, _)| (document, level)).ok_or(StoreError::Denied)
    }

    /// Asks the application that decides on access, if there is one, unless its answer is known. After that the store knows the
    /// user's level.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    async fn ask_if_due(&self, user: UserId, document: DocumentId) -> Result<(), StoreError> {
        let questions = &self.shared.parts.questions;
        if !questions.is_set() {
            return Ok(());
        }
        let asked = questions.ask_if_due(user, document, self.announcer()).await;
        if asked.is_err() {
            self.shared.parts.metrics.access_checked(AccessOutcome::Failed);
        }
        asked
    }

    /// Returns whether an application decides who may open documents.
    #[must_use]
    pub fn has_deciding_application(&self) -> bool {
        self.shared.parts.questions.is_set()
    }

    /// Returns the users whose level on a document this node is asking for.
    #[must_use]
    pub fn asked_about(&self, document: DocumentId) -> Vec<UserId> {
        self.shared.parts.questions.in_progress(document)
    }

    /// Asks the application that decides on access now. When this returns, its answer has taken effect on this node, and on
    /// every other node that acknowledged within a second.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    pub async fn ask_again(&self, user: UserId, document: DocumentId) -> Result<(), StoreError> {
        let changed =
            self.shared.parts.questions.ask_again(user, document, self.announcer()).await?;
        self.announce_access(changed).await;
        Ok(())
    }

    /// Asks the application again before its answers end, for the users who have their documents open. Returns immediately.
    pub fn renew_answers(&self) {
        let RoomParts { questions, open_documents, .. } = &self.shared.parts;
        let is_open = |user, document| open_documents.has(user, document);
        questions.renew(is_open, self.announcer());
    }

    /// Returns a function that announces the access of a user to all nodes.
    fn announcer(&self) -> impl Fn(Vec<UserAccess>) + Clone + Send + 'static {
        let rooms = self.clone();
        move |changes| {
            let rooms = rooms.clone();
            tokio::spawn(async move { rooms.announce_access(changes).await });
        }
    }

    /// Returns a document and the user's level on it. `None` if it does not exist or the user has no access to it.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    pub async fn find_document(
        &self,
        user: UserId,
        document: DocumentId,
    ) -> Result<Option<(Document, AccessLevel)>, StoreError> {
        let store = &self.shared.parts.store;
        let find =
            async || store.read_for(Party::User(user), store.find_document(user, document)).await?;
        self.find_by_answer(user, document, AccessLevel::View, find).await
    }

    /// Runs `find` after the application that decides on access was asked, if that is due. Asks it again if another node has
    /// replaced the answer that this one knows.
    async fn find_by_answer<T, F>(
        &self,
        user: UserId,
        document: DocumentId,
        needed: AccessLevel,
        find: impl Fn() -> F,
    ) -> Result<Option<(T, AccessLevel)>, StoreError>
    where
        F: Future<Output = Result<Option<(T, AccessLevel)>, StoreError>>,
    {
        self.ask_if_due(user, document).await?;
        let found = find().await?;
        let level = found.as_ref().map(|(_, level)| *level);
        let is_enough = level.is_some_and(|level| level.allows(needed));
        if is_enough || !self.shared.parts.questions.forget_above(user, document, level) {
            return Ok(found);
        }
        self.ask_if_due(user, document).await?;
        find().await
    }

    /// Checks and counts an access level. None stands for no access or no document.
    fn check_level(
        &self,
        level: Option<AccessLevel>,
        needed: AccessLevel,
    ) -> Result<AccessLevel, StoreError> {
        let level = level.filter(|level| level.allows(needed));
        let outcome = if level.is_some() { AccessOutcome::Allowed } else { AccessOutcome::Denied };
        self.shared.parts.metrics.access_checked(outcome);
        level.ok_or(StoreError::Denied)
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
            EditKind::Edit { .. } | EditKind::Replace { .. } | EditKind::Merge { .. } => {
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
            EditKind::Edit { .. } | EditKind::Replace { .. } => {
                self.shared.parts.store.check_change_allowance(request.author)
            }
        }
    }

    /// Creates a document at its first version.
    ///
    /// # Errors
    /// [`LoadError::Store`]: the owner has no account, a quota is used up, or the store failed. [`LoadError::Busy`]: the text is
    /// large, and too much other large work waits.
    pub async fn create(
        &self,
        owner: UserId,
        title: Title,
        text: Text,
    ) -> Result<Document, LoadError> {
        self.shared.parts.store.check_change_allowance(owner)?;
        let size = text.as_str().len();
        let _turn = match size > MAX_INLINE_BYTES {
            true => Some(self.turn_to_create(owner).await?),
            false => None,
        };
        let state = off_thread(size, move || Replica::of(text.as_str()).state()).await?;
        Ok(self.shared.parts.store.create_document(owner, title, size, state).await?)
    }

    /// Waits for a turn of the owner among all large work.
    async fn turn_to_create(&self, owner: UserId) -> Result<FairPermit<Party>, LoadError> {
        let party = Party::User(owner);
        let turn = self.shared.permits.acquire_within(party, CREATE_WITHIN).await;
        turn.map_err(|_too_late| LoadError::Busy)
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

    /// Returns the text of a document at a version, for a party. Does not check access.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if the document was deleted or the version is no longer kept, [`LoadError::Busy`] if it is large
    /// and too many large texts are being loaded.
    pub async fn content_at(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<Content, LoadError> {
        self.shared.loader.content(document, version, party).await
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

    /// Announces a user's access to this node. When this returns, the streams of a user without access have ended here.
    pub async fn apply_access(&self, document: DocumentId, user: UserId, access: AccessChange) {
        if let Some(room) = self.find(document) {
            room.change_access(user, access).await;
        }
    }

    /// Announces a user's new access to all nodes. When this returns, the streams of a revoked user have ended
    /// on this node, and on every other node that acknowledged within a second.
    pub async fn access_changed(&self, document: DocumentId, user: UserId, access: AccessChange) {
        self.apply_access(document, user, access).await;
        self.publish_access(document, user, access).await;
    }

    async fn publish_access(&self, document: DocumentId, user: UserId, access: AccessChange) {
        self.shared.parts.metrics.published();
        self.shared.parts.bridge.publish_access_change(document, user, access).await;
    }

    /// Announces the access of users that has changed in the store to all nodes, as [`access_changed`](Self::access_changed) does.
    pub async fn announce_access(&self, changes: Vec<UserAccess>) {
        // On this node first, which does not wait for others.
        let applying = changes.iter().map(|UserAccess { document, user, access }| {
            self.apply_access(*document, *user, *access)
        });
        let applying =
            stream::iter(applying).for_each_concurrent(ANNOUNCED_AT_ONCE, |applied| applied);
        applying.await;
        let publishing = changes.into_iter().map(|UserAccess { document, user, access }| {
            self.publish_access(document, user, access)
        });
        let publishing = stream::iter(publishing);
        publishing.for_each_concurrent(ANNOUNCED_AT_ONCE, |published| published).await;
    }

    /// Ends what document tokens entitle a user to: the token of one sign-in, or all. Announces it to all nodes.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_token_entitlements(
        &self,
        user: UserId,
        sign_in: Option<SignInId>,
    ) -> Result<(), StoreError> {
        let store = &self.shared.parts.store;
        while let Some(changes) = store.end_some_token_entitlements(user, sign_in).await? {
            // They are announced before the next part may fail.
            self.announce_access(changes).await;
        }
        Ok(())
    }

    /// Ends the access that has reached its end by now. Announces it to all nodes.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_due_access(&self) -> Result<(), StoreError> {
        let store = &self.shared.parts.store;
        let now = Utc::now();
        while store.has_due_access(now).await? {
            // Each part is announced before the other may fail, and neither keeps the other from being tried.
            let entitlements = store.end_due_entitlements(now).await;
            let entitlements = self.announce_ended(entitlements).await;
            let grants = self.announce_ended(store.end_due_grants(now).await).await;
            entitlements.and(grants)?;
        }
        Ok(())
    }

    async fn announce_ended(
        &self,
        ended: Result<Vec<UserAccess>, StoreError>,
    ) -> Result<(), StoreError> {
        self.announce_access(ended?).await;
        Ok(())
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
