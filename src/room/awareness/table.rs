//! The awareness entries of a room: a Yjs client id, a clock that grows, and a state for each session.
//!
//! An editor announces its state under its own client id. While the editor is connected, no other session may use this id.
//! For a while after it has left, no other user may: clients relay the states that they receive, and would restore the
//! state of the editor. For a session without a Yjs editor, the room derives a state under a client id made from the
//! session id. Pure; time is an argument.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use indexmap::IndexMap;

use super::clocks::Clocks;
use crate::domain::{AwarenessUpdate, SessionId, UserId};

/// The most client ids that are remembered after their sessions have left.
const MAX_DEPARTED: usize = 1024;

/// The most updates that wait for their session's arrival.
const MAX_EARLY_UPDATES: usize = 1024;

/// The change of one session's awareness, to be broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::room) struct AwarenessChange {
    /// The session. It does not receive the change.
    pub(in crate::room) session: SessionId,
    /// The session's user.
    pub(in crate::room) user: UserId,
    /// Client id, clock and state of each entry to send. An entry without a state is removed. The last one is current.
    pub(in crate::room) entries: Vec<(u32, u32, Option<Arc<str>>)>,
    /// The older session of the same user from which the session has taken its client id.
    pub(in crate::room) taken_from: Option<SessionId>,
}

impl AwarenessChange {
    fn of(session: SessionId, user: UserId, entries: Vec<(u32, u32, Option<Arc<str>>)>) -> Self {
        Self { session, user, entries, taken_from: None }
    }
}

/// The result of an awareness update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::room) enum AwarenessOutcome {
    /// The client id belongs to another session.
    Rejected,
    /// The entry did not change.
    Unchanged,
    /// The change must be broadcast.
    Changed(AwarenessChange),
}

#[derive(Debug, Clone)]
struct TableEntry {
    user: UserId,
    client: u32,
    clock: u32,
    state: Option<Arc<str>>,
    /// Whether the state comes from the session's own editor.
    is_own: bool,
}

/// The awareness of everyone in a room.
#[derive(Debug, Default)]
pub(in crate::room) struct AwarenessTable {
    entries: IndexMap<SessionId, TableEntry>,
    clients: HashMap<u32, SessionId>,
    /// Client ids whose sessions have left, with their users.
    departed: IndexMap<u32, UserId>,
    /// Updates of editors on other nodes whose arrival has not been received yet.
    early: IndexMap<SessionId, Arc<AwarenessUpdate>>,
    clocks: Clocks,
}

impl AwarenessTable {
    /// Returns the table of an empty room.
    pub(in crate::room) fn new(clocks: Clocks) -> Self {
        Self { clocks, ..Self::default() }
    }

    /// Removes every entry. Their clocks stay used.
    pub(in crate::room) fn clear(&mut self) {
        for entry in self.entries.values() {
            self.clocks.keep(entry.clock);
        }
        *self = Self::new(self.clocks.clone());
    }

    /// Applies the update of an editor on this node. A client may have two connections while the old one is not known to
    /// be dead; then the newer one wins.
    pub(in crate::room) fn update_local(
        &mut self,
        (session, user): (SessionId, UserId),
        client: u32,
        state: Option<Arc<str>>,
        now: DateTime<Utc>,
    ) -> AwarenessOutcome {
        let own = self.entries.get(&session).filter(|entry| entry.is_own);
        let is_other = own.is_some_and(|entry| entry.client != client);
        match (self.clients.get(&client), self.departed.get(&client)) {
            (Some(&holder), _)
                if holder != session
                    && (is_other || !self.may_take_over(holder, session, user)) =>
            {
                return AwarenessOutcome::Rejected;
            }
            (None, Some(owner)) if is_other || *owner != user => return AwarenessOutcome::Rejected,
            _ => {}
        }
        let is_known = own.is_some_and(|entry| entry.client == client && entry.state == state);
        if is_known || (own.is_none() && state.is_none()) {
            return AwarenessOutcome::Unchanged;
        }
        AwarenessOutcome::Changed(self.set(session, user, client, state, true, 0, now))
    }

    /// Applies the update of an editor on another node. An update that comes before the editor's arrival waits for it.
    pub(in crate::room) fn update_remote(
        &mut self,
        update: &Arc<AwarenessUpdate>,
        is_present: bool,
        now: DateTime<Utc>,
    ) -> AwarenessOutcome {
        let AwarenessUpdate { session, user, client, clock, ref state } = **update;
        if !is_present {
            if self.early.len() >= MAX_EARLY_UPDATES {
                self.early.clear();
            }
            self.early.insert(session, Arc::clone(update));
            return AwarenessOutcome::Unchanged;
        }
        let known = self.entries.get(&session).filter(|entry| entry.is_own);
        if known.is_some_and(|entry| entry.client == client && entry.state == *state) {
            return AwarenessOutcome::Unchanged;
        }
        // The other node may not have known that the id is taken.
        let holder = self.clients.get(&client).filter(|holder| **holder != session);
        if holder.is_some_and(|holder| !self.may_take_over(*holder, session, user)) {
            return AwarenessOutcome::Rejected;
        }
        AwarenessOutcome::Changed(self.set(session, user, client, state.clone(), true, clock, now))
    }

    /// Sets the state derived for a session without a Yjs editor. Returns nothing if the session has its own editor or
    /// nothing changed.
    pub(in crate::room) fn update_derived(
        &mut self,
        (session, user): (SessionId, UserId),
        state: Arc<str>,
        now: DateTime<Utc>,
    ) -> Option<AwarenessChange> {
        if let Some(update) = self.early.shift_remove(&session) {
            return match self.update_remote(&update, true, now) {
                AwarenessOutcome::Changed(change) => Some(change),
                AwarenessOutcome::Unchanged | AwarenessOutcome::Rejected => None,
            };
        }
        let client = match self.entries.get(&session) {
            Some(entry) if entry.is_own || entry.state.as_ref() == Some(&state) => return None,
            Some(entry) => entry.client,
            None => self.client_of(session),
        };
        Some(self.set(session, user, client, Some(state), false, 0, now))
    }

    /// Removes a session that has left.
    pub(in crate::room) fn remove(
        &mut self,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Option<AwarenessChange> {
        self.early.shift_remove(&session);
        let entry = self.entries.shift_remove(&session)?;
        let had_state = entry.state.is_some();
        let departed = self.retire(session, &entry, now);
        had_state.then(|| AwarenessChange::of(session, entry.user, vec![departed]))
    }

    /// Advances every clock and returns every entry, so that clients do not time them out.
    pub(in crate::room) fn renew(&mut self, now: DateTime<Utc>) -> Vec<AwarenessChange> {
        let clocks = self.clocks.clone();
        let with_state = self.entries.iter_mut().filter(|(_, entry)| entry.state.is_some());
        with_state
            .map(|(session, entry)| {
                entry.clock = clocks.tick(entry.clock, now);
                let entry_now = (entry.client, entry.clock, entry.state.clone());
                AwarenessChange::of(*session, entry.user, vec![entry_now])
            })
            .collect()
    }

    /// Whether a session has an entry.
    pub(in crate::room) fn has(&self, session: SessionId) -> bool {
        self.entries.contains_key(&session)
    }

    /// Whether a session's entry comes from its own editor.
    pub(in crate::room) fn has_own_entry(&self, session: SessionId) -> bool {
        self.entries.get(&session).is_some_and(|entry| entry.is_own)
    }

    /// Returns the present state of a session's own editor, for other nodes.
    pub(in crate::room) fn local_update(&self, session: SessionId) -> Option<AwarenessUpdate> {
        let entry = self.entries.get(&session).filter(|entry| entry.is_own)?;
        let TableEntry { user, client, clock, ref state, .. } = *entry;
        Some(AwarenessUpdate { session, user, client, clock, state: state.clone() })
    }

    /// Whether a client id may move from one session to another: to a newer one of the same user.
    fn may_take_over(&self, from: SessionId, to: SessionId, user: UserId) -> bool {
        let owner = self.entries.get(&from).map(|entry| entry.user);
        owner.is_none_or(|owner| owner == user) && from < to
    }

    /// Whether a client id belongs to a session.
    pub(in crate::room) fn belongs_to(&self, client: u32, session: SessionId) -> bool {
        self.clients.get(&client) == Some(&session)
    }

    #[allow(clippy::too_many_arguments, reason = "an entry has this many fields")]
    fn set(
        &mut self,
        session: SessionId,
        user: UserId,
        client: u32,
        state: Option<Arc<str>>,
        is_own: bool,
        clock: u32,
        now: DateTime<Utc>,
    ) -> AwarenessChange {
        let mut entries = Vec::new();
        let holder = self.clients.get(&client).copied().filter(|holder| *holder != session);
        if let Some(holder) = holder {
            // The client id moves to the new session. Its removal is not broadcast.
            if let Some(entry) = self.entries.shift_remove(&holder) {
                self.retire(holder, &entry, now);
            }
        }
        let mut last = clock.saturating_sub(1).max(self.clocks.floor());
        match self.entries.get(&session).cloned() {
            Some(before) if before.client != client => {
                entries.push(self.retire(session, &before, now));
            }
            Some(before) => last = clock.saturating_sub(1).max(before.clock),
            None => {}
        }
        self.departed.shift_remove(&client);
        let clock = self.clocks.tick(last, now);
        self.clients.insert(client, session);
        self.entries
            .insert(session, TableEntry { user, client, clock, state: state.clone(), is_own });
        entries.push((client, clock, state));
        let taken_from = holder.filter(|_| is_own);
        AwarenessChange { taken_from, ..AwarenessChange::of(session, user, entries) }
    }

    /// Ends an entry and remembers its client id. Returns the removal to broadcast.
    fn retire(
        &mut self,
        session: SessionId,
        entry: &TableEntry,
        now: DateTime<Utc>,
    ) -> (u32, u32, Option<Arc<str>>) {
        let clock = self.clocks.tick(entry.clock, now);
        if self.clients.get(&entry.client) == Some(&session) {
            self.clients.remove(&entry.client);
        }
        if self.departed.len() >= MAX_DEPARTED {
            self.departed.shift_remove_index(0);
        }
        self.departed.insert(entry.client, entry.user);
        self.clocks.keep(clock);
        (entry.client, clock, None)
    }

    /// Returns a client id for a session without an editor: the same on every node, unless it is taken.
    fn client_of(&self, session: SessionId) -> u32 {
        // FNV-1a, 32 bits: small and stable.
        let mut hash = 0x811c_9dc5_u32;
        for byte in session.uuid().as_bytes() {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
        while self.clients.contains_key(&hash) {
            hash = hash.wrapping_add(1);
        }
        hash
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
