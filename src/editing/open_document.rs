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
    loader::MAX_INLINE_BYTES,
    lock_pace::LockPace,
    lost_head::{contradicts_change, contradicts_stored},
    queue::{EditQueue, QueuedEdit, Reply},
    recent::RecentChanges,
    relayed_updates::RelayedUpdates,
    turn_document::DocumentState,
    work_permits::WorkPermits,
};
use crate::{
    domain::{Change, ChangeKind, Content, Version},
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
}

impl OpenDocument {
    /// Returns a document of which nothing is known yet. Keeps `recent_bytes` bytes of the last changes in memory.
    pub(crate) fn new(queue: EditQueue, permits: WorkPermits, recent_bytes: usize) -> Self {
        let recent = Arc::new(RecentChanges::new(recent_bytes));
        let state = DocumentState {
            head: None,
            confirmed: None,
            replica: None,
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
        }
    }

    /// Sets the head as it was read when the room was opened.
    pub(crate) fn open_at(&mut self, head: Option<Head>) {
        self.moved_at = Instant::now();
        self.state.head = head;
        self.state.confirm_head();
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

    /// Queues an edit.
    ///
    /// # Errors
    /// Returns the reply channel when the queue is full.
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
        self.state.move_head(&change);
        Arc::make_mut(&mut self.state.recent).push(Arc::clone(&change));
        Ok(change)
    }

    /// Whether `changes` or more changes, or a long log tail, follow the newest snapshot. False if the replica, from which
    /// a snapshot is made, is not here.
    pub(crate) fn is_snapshot_due(&self, changes: u32) -> bool {
        let DocumentState {
            head: Some(head),
            replica: Some(replica),
            snapshot: Some(snapshot),
            ..
        } = &self.state
        else {
            return false;
        };
        let since = head.version.number() - snapshot.version.number();
        // Opening the document reads the whole tail, however few changes it has.
        let max_tail = replica.content().bytes().max(MAX_LOG_TAIL_BYTES);
        since >= i64::from(changes.max(1)) || (since > 0 && snapshot.bytes_since > max_tail)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        domain::{Content, DocumentId, UserId, examples::title_change},
        editing::{EditKind, EditRequest, loader::large_texts_queue},
    };

    fn deletion() -> QueuedEdit {
        let (document, author) = (DocumentId::new(), UserId::new());
        let kind = EditKind::Delete;
        let request = EditRequest { document, author, session: None, name: None, kind };
        QueuedEdit { request, reply: oneshot::channel().0 }
    }

    #[test]
    fn edits_gather_while_the_document_is_lent() {
        let permits = WorkPermits::new(large_texts_queue(1));
        let mut document = OpenDocument::new(EditQueue::new(10, 100), permits, 100);
        document.push(deletion()).unwrap();
        let state = document.lend().unwrap();
        assert!(document.lend_for_batch().is_none(), "the document is lent");
        assert!(document.lend().is_none(), "to one task at a time");
        assert!(!document.is_idle());

        document.take_back(state);
        let (state, edits) = document.lend_for_batch().unwrap();
        assert_eq!(edits.len(), 1);
        document.take_back(state);
        assert!(document.is_idle());
    }

    /// Returns a document at version 1, whose text `a` is in memory.
    fn opened() -> OpenDocument {
        let permits = WorkPermits::new(large_texts_queue(1));
        let mut document = OpenDocument::new(EditQueue::new(10, 100), permits, 1_000_000);
        let first = Change { content: Some(Content::from("a")), ..title_change(1) };
        let (title, at) = (Arc::clone(&first.title), first.at);
        let head = Head { version: Version::FIRST, title, at, access_version: 0 };
        document.open_at(Some(head));
        let mut state = document.lend().unwrap();
        state.added.push(Arc::new(first));
        document.take_back(state);
        document
    }

    fn insertion(version: i64) -> Change {
        let delta = serde_json::from_value(serde_json::json!([{ "insert": "b" }])).unwrap();
        Change { kind: ChangeKind::Edited, delta: Some(Arc::new(delta)), ..title_change(version) }
    }

    #[test]
    fn the_next_change_of_another_node_is_applied_at_once() {
        let mut document = opened();
        for (version, text) in [(2, "ba"), (3, "bba")] {
            let Published::Applied(applied) = document.apply_published(&insertion(version)) else {
                panic!("{version}")
            };
            assert_eq!(applied.content.as_ref().unwrap(), text);
            assert_eq!(document.version(), Some(applied.version));
        }
        let recent = document.recent().after(Version::FIRST).unwrap();
        assert_eq!(recent.len(), 2, "replays find them in memory");
    }

    #[test]
    fn any_other_change_of_another_node_has_to_wait() {
        let mut document = opened();
        let text = "b".repeat(MAX_INLINE_BYTES + 1);
        let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
        let large = Change { delta: Some(Arc::new(delta)), ..insertion(2) };
        let deletion = Change { kind: ChangeKind::Deleted, ..title_change(2) };
        let waits = |document: &mut OpenDocument, change: &Change| {
            matches!(document.apply_published(change), Published::Waits)
        };
        for change in [insertion(1), insertion(3), large, deletion] {
            assert!(waits(&mut document, &change), "{}", change.version);
        }
        let state = document.lend().unwrap();
        assert!(waits(&mut document, &insertion(2)), "the document is lent");
        document.take_back(state);
        assert_eq!(document.version(), Some(Version::FIRST));

        let mut unread = opened();
        unread.state.recent = Arc::new(unread.state.recent.emptied());
        assert!(waits(&mut unread, &insertion(2)), "the text is not in memory");
    }

    #[test]
    fn a_change_that_follows_another_head_is_not_applied() {
        let mut document = opened();
        let at = document.head().unwrap().at;
        let later = at + chrono::TimeDelta::microseconds(1);
        let on_another = Change { previous_at: Some(later), ..insertion(2) };
        assert!(matches!(document.apply_published(&on_another), Published::Diverged));
        let next = Change { previous_at: Some(at), ..insertion(2) };
        assert!(matches!(document.apply_published(&next), Published::Applied(_)));
    }

    #[test]
    fn a_head_that_is_not_stored_by_the_next_comparison_is_noticed_although_it_moves_on() {
        let mut document = opened();
        let stored = |version: i64| {
            let (version, at) = (Version::new(version), title_change(version).at);
            Some(HeadVersions { version, at, access_version: 0 })
        };
        assert!(!document.is_ahead_of(stored(1), Instant::now()));
        for version in 2..5 {
            document.apply_published(&insertion(version));
            // Each time, the head has moved since the store was read.
            let read_at = document.moved_at;
            document.apply_published(&insertion(version));
            document.moved_at = Instant::now();
            assert!(!document.is_ahead_of(stored(version - 1), read_at), "stored a moment later");
        }
        document.apply_published(&insertion(5));
        let read_at = Instant::now();
        document.moved_at = Instant::now();
        assert!(document.is_ahead_of(stored(3), read_at), "4 was the head before");
    }

    #[test]
    fn a_published_change_that_does_not_fit_is_not_applied() {
        let mut document = opened();
        let delta = serde_json::from_value(serde_json::json!([{ "delete": 7 }])).unwrap();
        let misfit = Change { delta: Some(Arc::new(delta)), ..insertion(2) };

        assert!(matches!(document.apply_published(&misfit), Published::Misfit));

        assert_eq!(document.version(), Some(Version::FIRST));
    }
}
