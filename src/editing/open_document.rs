//! What a room holds of its document: the stored state, the queue of edits, and the lock that keeps work in order.
//!
//! Work that needs the replica borrows the document: a commit turn, reading the log, a snapshot, a Yjs sync. Only one of them
//! has it at a time. Meanwhile the room still knows the head and the recent changes, and edits gather in the queue.
//!
//! Invariant: everything in the state is stored.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CorruptDocument, LoadError, Replica,
    document_state::DocumentState,
    loader::MAX_INLINE_BYTES,
    lock_pace::LockPace,
    lost_head::{contradicts_change, contradicts_stored},
    queue::{EditQueue, QueuedEdit, Reply},
    recent::RecentChanges,
    relayed_updates::RelayedUpdates,
    work_permits::WorkPermits,
};
use crate::{
    domain::{Change, ChangeKind, Content, Party, Version},
    memory::LoadMemory,
    store::{Head, HeadVersions},
};

/// A log tail of more bytes than this, and than the text has, calls for a snapshot.
const MAX_LOG_TAIL_BYTES: usize = 1024 * 1024;

/// What became of a change that another node has published.
#[derive(Debug)]
pub(crate) enum Published {
    /// It is applied. This is the change with the text at its version.
    Applied(Arc<Change>),
    /// Some work has the document, the change does not follow the head or is large, or the text before it is not in
    /// memory. The document is to be lent for [`follow`](super::turn::follow).
    Waits,
    /// It does not fit the text. The log is to be read instead.
    Misfit,
    /// It does not follow the head, although its version does: the database may have lost the head.
    Diverged,
}

/// The document of an open room.
pub(crate) struct OpenDocument {
    state: DocumentState,
    queue: EditQueue,
    permits: WorkPermits,
    is_lent: bool,
    is_locking: bool,
    lock_pace: LockPace,
    /// When the head was last moved.
    moved_at: Instant,
    /// The head at the last comparison with the store, and when that was.
    compared: Option<(Version, Instant)>,
    /// Whether the document does not exist, as far as is known.
    is_missing: bool,
}

impl OpenDocument {
    /// Returns a document of which nothing is known yet. Keeps `recent_bytes` bytes of the last changes in memory.
    pub(crate) fn new(queue: EditQueue, permits: WorkPermits, recent_bytes: usize) -> Self {
        let recent = Arc::new(RecentChanges::new(recent_bytes));
        let state = DocumentState {
            head: None,
            confirmed: None,
            replica: None,
            payer: Party::Node,
            loaded: None,
            relayed: RelayedUpdates::default(),
            snapshot: None,
            recent,
            added: Vec::new(),
            locked_turns: 0,
        };
        let lock_pace = LockPace::default();
        Self {
            state,
            queue,
            permits,
            is_lent: false,
            is_locking: false,
            lock_pace,
            moved_at: Instant::now(),
            compared: None,
            is_missing: false,
        }
    }

    /// Sets the head as it was read when the room was opened.
    pub(crate) fn open_at(&mut self, head: Option<Head>) {
        self.moved_at = Instant::now();
        self.is_missing = head.is_none();
        self.state.head = head;
        self.state.confirm_head();
    }

    /// Whether the document does not exist or was deleted. False before its head was read.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Returns the head version. None if the document does not exist, or its head was not read yet.
    pub(crate) fn version(&self) -> Option<Version> {
        self.state.head.as_ref().map(|head| head.version)
    }

    /// Returns the head. None if the document does not exist, or its head was not read yet.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.state.head.as_ref()
    }

    /// Compares with what the store had at `read_at` or later. Returns whether the head is not the stored one or one before
    /// it: the database may have lost it.
    pub(crate) fn is_ahead_of(&mut self, stored: Option<HeadVersions>, read_at: Instant) -> bool {
        let Some(head) = &self.state.head else { return false };
        let compared = self.compared.replace((head.version, Instant::now()));
        let is_behind = |stored: HeadVersions| {
            // What was the head at the last comparison is stored by now, however often the head has moved since.
            compared.is_some_and(|(version, at)| at < read_at && stored.version < version)
        };
        if stored.is_some_and(is_behind) || contradicts_stored(head, self.moved_at, stored, read_at)
        {
            return true;
        }
        if stored.is_some_and(|stored| stored.version == head.version) {
            self.state.confirm_head();
        }
        false
    }

    /// Removes the waiting edits that were made for a version, because the database may have lost it.
    pub(crate) fn take_based(&mut self) -> Vec<QueuedEdit> {
        self.queue.take_based()
    }

    /// Returns the permits for work on a large text.
    pub(crate) fn permits(&self) -> &WorkPermits {
        &self.permits
    }

    /// Returns the last changes.
    pub(crate) fn recent(&self) -> &Arc<RecentChanges> {
        &self.state.recent
    }

    /// Returns the replica if it is loaded and not lent.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.state.replica.as_ref()
    }

    /// Returns about how many bytes of memory the replica takes, or without one a large text that the recent changes hold.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state.replica {
            Some(replica) => replica.memory(),
            None => self.large_text_bytes(),
        }
    }

    /// Whether the replica or a large text is here to be given up. While the document is lent, the replica is in use.
    pub(crate) fn can_give_way(&self) -> bool {
        !self.is_lent && self.held_bytes() > 0
    }

    /// Drops the replica if it is here, and the recent changes if they hold a large text. Both are read again when they are needed.
    pub(crate) fn drop_replica(&mut self) {
        let text_bytes = self.large_text_bytes();
        self.state.replica = None;
        if text_bytes > 0 {
            self.state.recent = Arc::new(self.state.recent.emptied());
        }
    }

    /// Returns the bytes of the text at the head if it is in memory and large, otherwise 0.
    fn large_text_bytes(&self) -> usize {
        let bytes = self.state.head_content().map_or(0, |text| text.bytes());
        if bytes > MAX_INLINE_BYTES { bytes } else { 0 }
    }

    /// Returns for whom the replica was loaded last, or without one the user whose changes were followed last.
    pub(crate) fn payer(&self) -> Party {
        self.state.payer
    }

    /// Removes what is counted for the load of the replica.
    pub(crate) fn take_load(&mut self) -> Option<LoadMemory> {
        self.state.loaded.take()
    }

    /// Queues an edit.
    ///
    /// # Errors
    /// Returns the reply channel when the queue is full, or when its author would have more waiting than stays free for
    /// others.
    pub(crate) fn push(&mut self, edit: QueuedEdit) -> Result<(), Reply> {
        self.queue.push(edit)
    }

    /// Whether some work has the document.
    pub(crate) fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// Whether no edit waits, no work has the document, and the room is not waiting for its lock.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_lent && !self.is_locking && self.queue.is_empty()
    }

    /// Whether an edit waits, the document is not lent, and the room is not waiting for its lock.
    pub(crate) fn can_store(&self) -> bool {
        !self.is_lent && !self.is_locking && !self.queue.is_empty()
    }

    /// Whether other nodes write as well, so that the document is to be locked in the database before edits are staged.
    pub(crate) fn is_contended(&self) -> bool {
        self.state.locked_turns > 0
    }

    /// Sets whether the room is waiting for the document's lock. Meanwhile edits are queued, and changes that other nodes
    /// publish are applied.
    pub(crate) fn set_locking(&mut self, is_locking: bool) {
        self.is_locking = is_locking;
    }

    /// Returns the pace at which the document is locked while it is contended.
    pub(crate) fn lock_pace(&mut self) -> &mut LockPace {
        &mut self.lock_pace
    }

    /// Whether the room is waiting for the document's lock.
    pub(crate) fn is_locking(&self) -> bool {
        self.is_locking
    }

    /// Removes every waiting edit, because none of them can be stored.
    pub(crate) fn take_all(&mut self) -> Vec<QueuedEdit> {
        let mut all = Vec::new();
        while !self.queue.is_empty() {
            all.extend(self.queue.take_batch());
        }
        all
    }

    /// Lends the document together with the edits to store next. Returns none while it is lent, or if no edit waits.
    pub(crate) fn lend_for_batch(&mut self) -> Option<(DocumentState, Vec<QueuedEdit>)> {
        if !self.can_store() {
            return None;
        }
        let edits = self.queue.take_batch();
        Some((self.lend()?, edits))
    }

    /// Lends the document, to be returned with [`take_back`](Self::take_back). Returns none while it is lent already.
    pub(crate) fn lend(&mut self) -> Option<DocumentState> {
        if std::mem::replace(&mut self.is_lent, true) {
            tracing::error!("the document is lent already; this work is dropped");
            return None;
        }
        Some(DocumentState {
            head: self.state.head.clone(),
            confirmed: self.state.confirmed,
            replica: self.state.replica.take(),
            payer: self.state.payer,
            loaded: self.state.loaded.take(),
            relayed: std::mem::take(&mut self.state.relayed),
            snapshot: self.state.snapshot,
            recent: Arc::clone(&self.state.recent),
            added: Vec::new(),
            locked_turns: self.state.locked_turns,
        })
    }

    /// Takes the document back, and keeps what was added to it in memory.
    pub(crate) fn take_back(&mut self, state: DocumentState) {
        self.is_lent = false;
        let before = self.version();
        self.state = state;
        self.is_missing = self.state.head.is_none();
        if self.version() != before {
            self.moved_at = Instant::now();
        }
        if self.version() < before {
            self.compared = None;
        }
        let added = std::mem::take(&mut self.state.added);
        if !added.is_empty() {
            let recent = Arc::make_mut(&mut self.state.recent);
            added.into_iter().for_each(|change| recent.push(change));
        }
    }

    /// Applies a change that another node has stored and published, if that can be done at once.
    pub(crate) fn apply_published(&mut self, change: &Change) -> Published {
        if self.state.head.as_ref().is_some_and(|head| contradicts_change(head, change)) {
            return Published::Diverged;
        }
        let is_next = self.version().is_some_and(|head| change.version == head.next());
        let is_deletion = change.kind == ChangeKind::Deleted;
        if self.is_lent || !is_next || is_deletion || change.weight() > MAX_INLINE_BYTES {
            return Published::Waits;
        }
        let Some(before) = self.state.head_content() else { return Published::Waits };
        match self.append_published(before, change) {
            Ok(change) => {
                self.moved_at = Instant::now();
                Published::Applied(change)
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a published change could not be applied; reading the log");
                self.state.replica = None;
                Published::Misfit
            }
        }
    }

    fn append_published(
        &mut self,
        before: Content,
        change: &Change,
    ) -> Result<Arc<Change>, LoadError> {
        let content = match &change.delta {
            Some(delta) => before.apply(delta).map_err(|misfit| CorruptDocument::log(&misfit))?,
            None => before,
        };
        let change = Arc::new(Change { content: Some(content), ..change.clone() });
        self.state.note_relayed(&change);
        self.state.advance_replica(&change)?;
        if let Some(author) = &change.author {
            self.state.note_followed(Party::User(author.id));
        }
        self.state.move_head(&change);
        Arc::make_mut(&mut self.state.recent).push(Arc::clone(&change));
        Ok(change)
    }

    /// Whether `changes` or more changes, or a long log tail, follow the newest snapshot. False if the replica, from which
    /// a snapshot is made, is not here.
    pub(crate) fn is_snapshot_due(&self, changes: u32) -> bool {
        let DocumentState { head: Some(head), replica: Some(_), snapshot: Some(snapshot), .. } =
            &self.state
        else {
            return false;
        };
        let since = head.version.number() - snapshot.version.number();
        // Opening the document reads the whole tail, however few changes it has.
        let max_tail = snapshot.bytes.max(MAX_LOG_TAIL_BYTES);
        since >= i64::from(changes.max(1)) || (since > 0 && snapshot.bytes_since > max_tail)
    }
}

#[cfg(test)]
#[path = "open_document_tests.rs"]
mod tests;
