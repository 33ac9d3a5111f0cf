//! Who is in a room, as Yjs editors are told it: under an id of a client, with a clock that grows.
//!
//! An editor says something of itself under its own id, which nobody else may use while it is there, nor somebody else
//! right after it (clients pass on what they hear, and would bring back who has left). Who has the document open
//! otherwise is said something of by the room, under an id made from the session. Pure, with time as an argument.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use indexmap::IndexMap;

use super::clocks::{Clocks, tick};
use crate::domain::{AwarenessUpdate, SessionId, UserId};

/// So many who have left are remembered.
const MAX_DEPARTED: usize = 1024;

/// So many who are not known to be present yet are listened to.
const MAX_EARLY_UPDATES: usize = 1024;

/// What is told of one session: entries of a client, with their clocks; without a state it has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::room) struct AwarenessChange {
    /// The session, which is not told.
    pub(in crate::room) session: SessionId,
    /// Whose it is.
    pub(in crate::room) user: UserId,
    /// The entries, the last of which is how it is now.
    pub(in crate::room) entries: Vec<(u32, u32, Option<Arc<str>>)>,
}

/// What became of something that an editor said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::room) enum AwarenessOutcome {
    /// It is somebody else's to say.
    Ignored,
    /// It is known already.
    Known,
    /// To be told.
    News(AwarenessChange),
}

#[derive(Debug, Clone)]
struct TableEntry {
    user: UserId,
    client: u32,
    clock: u32,
    state: Option<Arc<str>>,
    /// Whether an editor says so itself.
    is_own: bool,
}

/// Everybody in a room.
#[derive(Debug, Default)]
pub(in crate::room) struct Awareness {
    entries: IndexMap<SessionId, TableEntry>,
    clients: HashMap<u32, SessionId>,
    /// Clients who have left, and whose they were.
    gone: IndexMap<u32, UserId>,
    /// What was told of editors elsewhere who are not known to be present yet.
    early: IndexMap<SessionId, Arc<AwarenessUpdate>>,
    clocks: Clocks,
}

impl Awareness {
    /// Of a room in which nobody is.
    pub(in crate::room) fn new(clocks: Clocks) -> Self {
        Self { clocks, ..Self::default() }
    }

    /// Forgets everybody, but that their clocks were given.
    pub(in crate::room) fn forget(&mut self) {
        for entry in self.entries.values() {
            self.clocks.keep(entry.clock);
        }
        *self = Self::new(self.clocks.clone());
    }

    /// An editor here says something of itself, under the id of a client. The same client may do so over two
    /// connections when the old one is not known to be dead yet: then the newer one counts.
    pub(in crate::room) fn say(
        &mut self,
        (session, user): (SessionId, UserId),
        client: u32,
        state: Option<Arc<str>>,
        now: DateTime<Utc>,
    ) -> AwarenessOutcome {
        let own = self.entries.get(&session).filter(|entry| entry.is_own);
        let is_other = own.is_some_and(|entry| entry.client != client);
        match (self.clients.get(&client), self.gone.get(&client)) {
            (Some(&holder), _)
                if holder != session
                    && (is_other || !self.may_take_over(holder, session, user)) =>
            {
                return AwarenessOutcome::Ignored;
            }
            (None, Some(whose)) if is_other || *whose != user => return AwarenessOutcome::Ignored,
            _ => {}
        }
        let is_known = own.is_some_and(|entry| entry.client == client && entry.state == state);
        if is_known || (own.is_none() && state.is_none()) {
            return AwarenessOutcome::Known;
        }
        AwarenessOutcome::News(self.put(session, user, client, state, true, 0, now))
    }

    /// An editor on another node said something of itself. It waits for its arrival, if it comes before that.
    pub(in crate::room) fn hear(
        &mut self,
        saying: &Arc<AwarenessUpdate>,
        is_present: bool,
        now: DateTime<Utc>,
    ) -> AwarenessOutcome {
        let AwarenessUpdate { session, user, client, clock, ref state } = **saying;
        if !is_present {
            if self.early.len() >= MAX_EARLY_UPDATES {
                self.early.clear();
            }
            self.early.insert(session, Arc::clone(saying));
            return AwarenessOutcome::Known;
        }
        let known = self.entries.get(&session).filter(|entry| entry.is_own);
        if known.is_some_and(|entry| entry.client == client && entry.state == *state) {
            return AwarenessOutcome::Known;
        }
        // Its node may not have known whose the id is.
        let holder = self.clients.get(&client).filter(|holder| **holder != session);
        if holder.is_some_and(|holder| !self.may_take_over(*holder, session, user)) {
            return AwarenessOutcome::Ignored;
        }
        AwarenessOutcome::News(self.put(session, user, client, state.clone(), true, clock, now))
    }

    /// A session is present that says nothing of itself: this is what can be said of it. Nothing if an editor speaks
    /// for itself there, or if nothing is new.
    pub(in crate::room) fn show(
        &mut self,
        (session, user): (SessionId, UserId),
        state: Arc<str>,
        now: DateTime<Utc>,
    ) -> Option<AwarenessChange> {
        if let Some(saying) = self.early.shift_remove(&session) {
            return match self.hear(&saying, true, now) {
                AwarenessOutcome::News(word) => Some(word),
                AwarenessOutcome::Known | AwarenessOutcome::Ignored => None,
            };
        }
        let client = match self.entries.get(&session) {
            Some(entry) if entry.is_own || entry.state.as_ref() == Some(&state) => return None,
            Some(entry) => entry.client,
            None => self.client_of(session),
        };
        Some(self.put(session, user, client, Some(state), false, 0, now))
    }

    /// A session has left.
    pub(in crate::room) fn leave(
        &mut self,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Option<AwarenessChange> {
        self.early.shift_remove(&session);
        let entry = self.entries.shift_remove(&session)?;
        let was_shown = entry.state.is_some();
        let gone = self.part_with(session, &entry, now);
        was_shown.then(|| AwarenessChange { session, user: entry.user, entries: vec![gone] })
    }

    /// Everybody, as they are, with clocks that have grown.
    pub(in crate::room) fn renewed(&mut self, now: DateTime<Utc>) -> Vec<AwarenessChange> {
        let shown = self.entries.iter_mut().filter(|(_, entry)| entry.state.is_some());
        shown
            .map(|(session, entry)| {
                entry.clock = tick(entry.clock, now);
                let said = (entry.client, entry.clock, entry.state.clone());
                AwarenessChange { session: *session, user: entry.user, entries: vec![said] }
            })
            .collect()
    }

    /// Whether anything is said of a session.
    pub(in crate::room) fn knows(&self, session: SessionId) -> bool {
        self.entries.contains_key(&session)
    }

    /// Whether an editor speaks for itself there.
    pub(in crate::room) fn speaks(&self, session: SessionId) -> bool {
        self.entries.get(&session).is_some_and(|entry| entry.is_own)
    }

    /// What a session's editor says of itself, to tell other nodes.
    pub(in crate::room) fn saying_of(&self, session: SessionId) -> Option<AwarenessUpdate> {
        let entry = self.entries.get(&session).filter(|entry| entry.is_own)?;
        let TableEntry { user, client, clock, ref state, .. } = *entry;
        Some(AwarenessUpdate { session, user, client, clock, state: state.clone() })
    }

    /// Whether an id may go from one session to another: to a newer one of the same user.
    fn may_take_over(&self, from: SessionId, to: SessionId, user: UserId) -> bool {
        let whose = self.entries.get(&from).map(|entry| entry.user);
        whose.is_none_or(|whose| whose == user) && from < to
    }

    /// Whether an entry of this client is that of a session.
    pub(in crate::room) fn is_of(&self, client: u32, session: SessionId) -> bool {
        self.clients.get(&client) == Some(&session)
    }

    #[allow(clippy::too_many_arguments, reason = "an entry has so many parts")]
    fn put(
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
        if let Some(holder) = self.clients.get(&client).copied().filter(|holder| *holder != session)
        {
            // It goes over to the new session; nobody needs to be told that it was gone.
            if let Some(entry) = self.entries.shift_remove(&holder) {
                self.part_with(holder, &entry, now);
            }
        }
        let mut last = clock.saturating_sub(1).max(self.clocks.floor());
        match self.entries.get(&session).cloned() {
            Some(before) if before.client != client => {
                entries.push(self.part_with(session, &before, now));
            }
            Some(before) => last = clock.saturating_sub(1).max(before.clock),
            None => {}
        }
        self.gone.shift_remove(&client);
        let clock = tick(last, now);
        self.clients.insert(client, session);
        self.entries
            .insert(session, TableEntry { user, client, clock, state: state.clone(), is_own });
        entries.push((client, clock, state));
        AwarenessChange { session, user, entries }
    }

    /// A client's entry ends, and is remembered for a while.
    fn part_with(
        &mut self,
        session: SessionId,
        entry: &TableEntry,
        now: DateTime<Utc>,
    ) -> (u32, u32, Option<Arc<str>>) {
        let clock = tick(entry.clock, now);
        if self.clients.get(&entry.client) == Some(&session) {
            self.clients.remove(&entry.client);
        }
        if self.gone.len() >= MAX_DEPARTED {
            self.gone.shift_remove_index(0);
        }
        self.gone.insert(entry.client, entry.user);
        self.clocks.keep(clock);
        (entry.client, clock, None)
    }

    /// An id for a session that has none of its own: the same on every node, unless it is taken.
    fn client_of(&self, session: SessionId) -> u32 {
        // FNV-1a (32 bit): tiny, and fixed for ever.
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
