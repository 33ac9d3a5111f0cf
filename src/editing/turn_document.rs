//! The document that a commit turn works on.
//!
//! It holds what is stored (head, snapshot, recent changes), the replica, and what the turn has added so far. Everything
//! that the turn reads from memory or loads from the store goes through it.
//!
//! Invariant: the changes follow each other without a hole and end at the head, unless the turn found a gap in the log.

use std::sync::Arc;

use super::{
    EditError, LoadError, Replica,
    acknowledgement::changed_clocks,
    document_state::{DocumentState, StoredVersion},
    turn_context::TurnContext,
};
use crate::{
    domain::{Change, Content, Party, Version},
    store::Head,
};

/// How the changes of a turn follow the head before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// Without a hole.
    Whole,
    /// Versions are missing, which the log no longer has.
    Gap,
    /// They do not follow it: the database has lost the head, and the turn has begun again at the stored one.
    Restarted {
        /// The lost head.
        lost: Version,
        /// Why the database does not have it.
        cause: RestartCause,
    },
}

/// Why a database does not have the head of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartCause {
    /// It has lost changes that it had.
    Lost,
    /// It has all that it is known to have had. The relay delivered changes that are not stored: they were lost before this
    /// node saw them in the database, or no node has made them.
    Contradicted,
}

/// The document of a turn.
pub(super) struct TurnDocument {
    context: TurnContext,
    state: DocumentState,
    /// The changes stored since the turn began, by any node, before a gap in the log.
    before_gap: Vec<Arc<Change>>,
    /// The changes stored since the turn began, by any node, or after the gap.
    changes: Vec<Arc<Change>>,
    /// Consecutive changes that were read from the log for a rebase, without texts. The last one precedes those in memory, or
    /// is the head.
    read: Vec<Arc<Change>>,
    /// The text that an edit of this turn was made for, if it had to be loaded. The next edit often has the same base.
    base: Option<(Version, Content)>,
    continuity: Continuity,
}

impl TurnDocument {
    pub(super) fn new(context: TurnContext, state: DocumentState) -> Self {
        Self {
            context,
            state,
            before_gap: Vec::new(),
            changes: Vec::new(),
            read: Vec::new(),
            base: None,
            continuity: Continuity::Whole,
        }
    }

    pub(super) fn context(&self) -> &TurnContext {
        &self.context
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.state.head.as_ref()
    }

    /// Sets the head as the store has it.
    pub(super) fn set_head(&mut self, head: Option<Head>) {
        self.state.head = head;
        self.confirm_head();
    }

    /// Notes that the store has the head.
    pub(super) fn confirm_head(&mut self) {
        self.state.confirm_head();
    }

    /// Returns the newest version that the store is known to have had.
    pub(super) fn confirmed(&self) -> Option<StoredVersion> {
        self.state.confirmed
    }

    /// Returns the number of turns, this one included, that lock the document before they stage edits.
    pub(super) fn locked_turns(&self) -> u8 {
        self.state.locked_turns
    }

    /// Sets the number of turns that lock the document before they stage edits.
    pub(super) fn set_locked_turns(&mut self, turns: u8) {
        self.state.locked_turns = turns;
    }

    /// Whether the replica is loaded.
    pub(super) fn has_replica(&self) -> bool {
        self.state.replica.is_some()
    }

    /// Returns the replica if it is loaded.
    pub(super) fn loaded_replica(&self) -> Option<&Replica> {
        self.state.replica.as_ref()
    }

    /// Removes the replica for work on another thread. Give it back with [`put_replica`](Self::put_replica).
    pub(super) fn take_replica(&mut self) -> Option<Replica> {
        self.state.replica.take()
    }

    /// Gives the replica back. Without one it is loaded again when it is needed.
    pub(super) fn put_replica(&mut self, replica: Option<Replica>) {
        self.state.replica = replica;
    }

    /// Drops the replica, because it holds something that is not stored. Yjs cannot take anything back.
    pub(super) fn drop_replica(&mut self) {
        self.state.replica = None;
    }

    /// Returns for whom the replica was loaded last, or without one the user whose changes were followed last.
    pub(super) fn payer(&self) -> Party {
        self.state.payer
    }

    /// Notes that changes of `payer` were followed.
    pub(super) fn note_followed(&mut self, payer: Party) {
        self.state.note_followed(payer);
    }

    /// Returns the text at the head. Loads the replica for `party` if necessary.
    pub(super) async fn present_content(
        &mut self,
        head: &Head,
        party: Party,
    ) -> Result<Content, LoadError> {
        if let Some(replica) = &self.state.replica {
            return Ok(replica.content().clone());
        }
        let loaded =
            self.context.loader.replica(self.context.document, head.version, party).await?;
        let content = loaded.replica.content().clone();
        self.state.set_loaded(loaded, party);
        Ok(content)
    }

    /// Returns the text at a version that an edit of `party` was made for.
    ///
    /// # Errors
    /// [`EditError::BaseTooOld`] if the version is no longer kept.
    pub(super) async fn base_content(
        &mut self,
        base: Version,
        head: &Head,
        party: Party,
    ) -> Result<Content, EditError> {
        let content = match self.content_in_memory(base) {
            Some(content) => content,
            None => self.load_content(base, head, party).await?,
        };
        self.remember_base(base, content.clone());
        Ok(content)
    }

    /// Remembers the text at a version, for the next edit with the same base.
    pub(super) fn remember_base(&mut self, base: Version, content: Content) {
        self.base = Some((base, content));
    }

    /// Loads the text at a version for a party.
    ///
    /// # Errors
    /// [`EditError::BaseTooOld`] if the version is no longer kept, or its text is too heavy to be loaded.
    pub(super) async fn load_content(
        &self,
        version: Version,
        head: &Head,
        party: Party,
    ) -> Result<Content, EditError> {
        match self.context.loader.content(self.context.document, version, party).await {
            Err(LoadError::NotKept | LoadError::TooHeavy(_)) => {
                Err(EditError::BaseTooOld { head: head.version })
            }
            content => Ok(content?),
        }
    }

    /// Returns the text at a version if it is in memory.
    fn content_in_memory(&self, version: Version) -> Option<Content> {
        if let Some((known, content)) = &self.base
            && *known == version
        {
            return Some(content.clone());
        }
        match self.changes.iter().find(|change| change.version == version) {
            Some(change) => change.content.clone(),
            None => self.state.recent.content_at(version),
        }
    }

    /// Returns the text at the head if it is in memory.
    pub(super) fn head_content_in_memory(&self, head: Version) -> Option<Content> {
        let of_replica = self.state.replica.as_ref().map(|replica| replica.content().clone());
        of_replica.or_else(|| self.content_in_memory(head))
    }

    /// Keeps the changes from a version to the head, which were read from the log, for the next rebase.
    pub(super) fn keep_read(&mut self, changes: Vec<Arc<Change>>) {
        self.read = changes;
    }

    /// Returns every change after `base` if all of them are in memory.
    pub(super) fn changes_after(&self, base: Version) -> Option<Vec<Arc<Change>>> {
        if let Some(after) = self.known_after(base) {
            return Some(after);
        }
        let (first, last) = (self.read.first()?.version, self.read.last()?.version);
        if base < first.previous() {
            return None;
        }
        let mut after: Vec<_> =
            self.read.iter().filter(|change| change.version > base).cloned().collect();
        after.extend(self.known_after(last.max(base))?);
        Some(after)
    }

    fn known_after(&self, base: Version) -> Option<Vec<Arc<Change>>> {
        if self.head().is_some_and(|head| head.version == base) {
            return Some(vec![]);
        }
        let Some(first) = self.changes.first() else { return self.state.recent.after(base) };
        let mut after =
            if base < first.version.previous() { self.state.recent.after(base)? } else { vec![] };
        let in_turn = self.changes.iter().filter(|change| change.version > base);
        after.extend(in_turn.cloned());
        Some(after)
    }

    /// Encodes a state vector of the clients that have changed after a version. None if that is not known.
    pub(super) fn clocks_since(&self, version: Version) -> Option<Vec<u8>> {
        self.head().filter(|head| version <= head.version)?;
        let changes = self.known_after(version)?;
        changed_clocks(changes.iter().map(|change| &**change))
    }

    /// The number of changes stored since the turn began.
    pub(super) fn change_count(&self) -> usize {
        self.before_gap.len() + self.changes.len()
    }

    /// Appends a stored change and moves the head to it. The replica must hold it already, or be gone.
    pub(super) fn append(&mut self, change: Arc<Change>) {
        self.state.move_head(&change);
        self.changes.push(change);
    }

    /// Notes that the replica, if it is loaded, is about to hold updates that other nodes have published.
    pub(super) fn note_relayed(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.state.note_relayed(change));
    }

    /// Brings the replica, if it is loaded, one change forward.
    pub(super) fn advance_replica(&mut self, change: &Change) -> Result<(), LoadError> {
        self.state.advance_replica(change)
    }

    /// Notes that the log no longer holds what follows the head. No edit can be rebased from before the gap.
    pub(super) fn note_gap(&mut self) {
        self.state.replica = None;
        self.state.recent = Arc::new(self.state.recent.emptied());
        self.before_gap.append(&mut self.changes);
        self.read = Vec::new();
        if self.continuity == Continuity::Whole {
            self.continuity = Continuity::Gap;
        }
    }

    /// Begins again at the stored head, because the database does not have the head, for this reason. Nothing in memory can
    /// be used any more.
    pub(super) fn restart_at(&mut self, stored: Option<Head>, cause: RestartCause) {
        let lost = self.state.head.as_ref().map_or(Version::default(), |head| head.version);
        self.state.restart_at(stored);
        (self.before_gap, self.changes, self.read) = (Vec::new(), Vec::new(), Vec::new());
        self.base = None;
        self.continuity = Continuity::Restarted { lost, cause };
    }

    /// Returns how the changes of the turn follow the head before it.
    pub(super) fn continuity(&self) -> Continuity {
        self.continuity
    }

    /// Ends the turn: the document, and the changes.
    pub(super) fn finish(self) -> (DocumentState, Vec<Arc<Change>>) {
        let Self { mut state, before_gap, changes, .. } = self;
        state.added.clone_from(&changes);
        (state, [before_gap, changes].concat())
    }
}
