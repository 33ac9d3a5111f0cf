//! The part of a stored document that is in memory.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    LoadError, Replica,
    loader::{LastSnapshot, LoadedReplica},
    recent::RecentChanges,
    relayed_updates::RelayedUpdates,
};
use crate::{
    domain::{Change, ChangeKind, Content, Party, Version},
    memory::LoadMemory,
    store::Head,
};

/// A version and when it was stored, which together identify it.
pub(crate) type StoredVersion = (Version, DateTime<Utc>);

/// The part of a stored document that is in memory.
pub(crate) struct DocumentState {
    /// Version and title. None if the document does not exist.
    pub(crate) head: Option<Head>,
    /// The newest version that the database is known to have had. The head may be a later one that the relay delivered.
    pub(crate) confirmed: Option<StoredVersion>,
    /// The replica at the head, if it is loaded.
    pub(crate) replica: Option<Replica>,
    /// For whom the replica was loaded, or without one the user whose changes were followed last.
    pub(crate) payer: Party,
    /// What is counted for the load of the replica until the room counts the replica.
    pub(crate) loaded: Option<LoadMemory>,
    /// Which updates of the replica were published by other nodes.
    pub(crate) relayed: RelayedUpdates,
    /// The newest snapshot, if it is known.
    pub(crate) snapshot: Option<LastSnapshot>,
    /// The last changes up to the head. In a turn: up to the head at its beginning.
    pub(crate) recent: Arc<RecentChanges>,
    /// What a turn has added to them.
    pub(crate) added: Vec<Arc<Change>>,
    /// The number of turns that still lock the document before they stage edits.
    pub(crate) locked_turns: u8,
}

impl DocumentState {
    /// Returns the text at the head if it is in memory.
    pub(super) fn head_content(&self) -> Option<Content> {
        match &self.replica {
            Some(replica) => Some(replica.content().clone()),
            None => self.recent.content_at(self.head.as_ref()?.version),
        }
    }

    /// Keeps a replica at the head that was loaded for `payer`.
    pub(crate) fn set_loaded(&mut self, loaded: LoadedReplica, payer: Party) {
        let LoadedReplica { replica, snapshot, memory } = loaded;
        (self.replica, self.snapshot) = (Some(replica), Some(snapshot));
        (self.payer, self.loaded) = (payer, memory);
    }

    /// Notes that a change of `payer` was followed. Without a replica, the text is in memory for it.
    pub(super) fn note_followed(&mut self, payer: Party) {
        if self.replica.is_none() {
            self.payer = payer;
        }
    }

    /// Notes that the store has the head.
    pub(super) fn confirm_head(&mut self) {
        self.confirmed = self.head.as_ref().map(|head| (head.version, head.at));
    }

    /// Notes that the replica, if it is loaded, is about to hold an update that another node has published.
    pub(super) fn note_relayed(&mut self, change: &Change) {
        if self.replica.is_some() {
            self.relayed.note(change);
        }
    }

    /// Begins again at a head, without anything that was in memory.
    pub(crate) fn restart_at(&mut self, head: Option<Head>) {
        self.head = head;
        self.confirm_head();
        self.replica = None;
        self.relayed = RelayedUpdates::default();
        self.snapshot = None;
        self.recent = Arc::new(self.recent.emptied());
    }

    /// Moves the head to a stored change. The replica must hold it already, or be gone.
    pub(super) fn move_head(&mut self, change: &Change) {
        if let Some(head) = &mut self.head {
            (head.version, head.at) = (change.version, change.at);
            head.title = Arc::clone(&change.title);
        }
        if let (Some(snapshot), Some(update)) = (&mut self.snapshot, &change.update) {
            // The delta of a text in the log is about as large as the update.
            let changes_text = change.delta.as_ref().is_some_and(|delta| !delta.is_empty());
            let copies = if changes_text { 2 } else { 1 };
            snapshot.bytes_since = snapshot.bytes_since.saturating_add(copies * update.len());
        }
    }

    /// Brings the replica, if it is loaded, one change forward.
    pub(super) fn advance_replica(&mut self, change: &Change) -> Result<(), LoadError> {
        let Some(replica) = &mut self.replica else { return Ok(()) };
        match (&change.update, &change.content) {
            (Some(update), Some(content)) => replica.apply_stored(update, content.clone())?,
            // A change without an update leaves the text as it was, unless it ends the document or its history.
            (None, _) if !matches!(change.kind, ChangeKind::Deleted | ChangeKind::Compacted) => {}
            _ => self.replica = None,
        }
        Ok(())
    }
}
