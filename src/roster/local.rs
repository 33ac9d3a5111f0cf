//! The sessions of one node, in memory.
//!
//! It is the roster of a cluster of one node, and the local part of [`RedisRoster`](super::RedisRoster).

use std::collections::{HashMap, hash_map::Entry};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use parking_lot::Mutex;

use super::{Roster, RosterSnapshot, RosterUnavailable, SlotError};
use crate::{
    domain::{Cursor, DocumentId, Presence, SessionId, UserId},
    wire::envelope::Sequence,
};

/// Presence by document, and slots by user. A map entry is removed with its last session.
#[derive(Debug, Default)]
pub struct LocalRoster {
    documents: Mutex<HashMap<DocumentId, IndexMap<SessionId, Presence>>>,
    slots: Mutex<LocalSlots>,
}

#[derive(Debug, Default)]
struct LocalSlots {
    /// The number of taken slots of each user.
    taken: HashMap<UserId, usize>,
    /// The user of each session that holds a slot.
    owners: HashMap<SessionId, UserId>,
}

impl LocalRoster {
    /// Takes a slot. Does nothing if the session already holds one.
    pub(super) fn try_take_slot(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError> {
        let mut slots = self.slots.lock();
        if slots.owners.contains_key(&session) {
            return Ok(());
        }
        let taken = slots.taken.entry(user).or_default();
        if *taken >= limit {
            return Err(SlotError::LimitReached { limit });
        }
        *taken += 1;
        slots.owners.insert(session, user);
        Ok(())
    }

    /// Releases a slot. Returns whether the session held one.
    pub(super) fn try_release_slot(&self, user: UserId, session: SessionId) -> bool {
        let mut slots = self.slots.lock();
        if slots.owners.remove(&session).is_none() {
            return false;
        }
        if let Entry::Occupied(mut taken) = slots.taken.entry(user) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
        true
    }

    /// Returns the user of a session that holds a slot.
    pub(super) fn find_owner(&self, session: SessionId) -> Option<UserId> {
        self.slots.lock().owners.get(&session).copied()
    }

    /// Returns all taken slots.
    pub(super) fn list_slots(&self) -> Vec<(UserId, SessionId)> {
        let slots = self.slots.lock();
        slots.owners.iter().map(|(session, user)| (*user, *session)).collect()
    }

    /// Returns all pairs of a document and a session that has it open.
    pub(super) fn list_present(&self) -> Vec<(DocumentId, SessionId)> {
        let documents = self.documents.lock();
        let sessions = documents
            .iter()
            .flat_map(|(document, present)| present.keys().map(|session| (*document, *session)));
        sessions.collect()
    }

    /// Returns the presence of a document.
    pub(super) fn list_in(&self, document: DocumentId) -> Vec<Presence> {
        let documents = self.documents.lock();
        documents
            .get(&document)
            .map(|present| present.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the presence of a session, if it has the document open.
    pub(super) fn find_entry(&self, document: DocumentId, session: SessionId) -> Option<Presence> {
        self.documents.lock().get(&document).and_then(|present| present.get(&session)).cloned()
    }
}

#[async_trait]
impl Roster for LocalRoster {
    async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError> {
        self.try_take_slot(user, session, limit)
    }

    fn release_slot(&self, user: UserId, session: SessionId) {
        self.try_release_slot(user, session);
    }

    async fn find_session_owner(
        &self,
        session: SessionId,
        _user: UserId,
    ) -> Result<Option<UserId>, RosterUnavailable> {
        Ok(self.find_owner(session))
    }

    fn enter(&self, presence: Presence) {
        let mut documents = self.documents.lock();
        documents.entry(presence.document).or_default().insert(presence.session, presence);
    }

    fn exit(&self, document: DocumentId, session: SessionId) {
        if let Entry::Occupied(mut present) = self.documents.lock().entry(document) {
            present.get_mut().shift_remove(&session);
            if present.get().is_empty() {
                present.remove();
            }
        }
    }

    fn touch(
        &self,
        document: DocumentId,
        session: SessionId,
        cursor: Option<Cursor>,
        at: DateTime<Utc>,
    ) {
        let mut documents = self.documents.lock();
        let present = documents.get_mut(&document);
        if let Some(presence) = present.and_then(|present| present.get_mut(&session)) {
            presence.cursor = cursor;
            presence.last_seen = at;
        }
    }

    async fn list(&self, document: DocumentId) -> Vec<Presence> {
        self.list_in(document)
    }

    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterUnavailable> {
        Ok(self.find_entry(document, session))
    }

    async fn find_snapshot(&self, _document: DocumentId) -> Option<RosterSnapshot> {
        Some(RosterSnapshot::default())
    }

    async fn find_sequences(
        &self,
        _documents: &[DocumentId],
    ) -> Option<Vec<(DocumentId, Sequence)>> {
        Some(vec![])
    }

    fn is_up(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::presence_in;

    // The contract of all rosters is tested in tests/contracts.
    #[tokio::test]
    async fn sessions_that_have_left_leave_no_entries() {
        let (roster, user, document) = (LocalRoster::default(), UserId::new(), DocumentId::new());
        let (first, second) = (presence_in(document), presence_in(document));
        for presence in [&first, &second] {
            roster.enter(presence.clone());
            roster.take_slot(user, presence.session, 2).await.unwrap();
        }
        for presence in [&first, &second] {
            roster.exit(document, presence.session);
            roster.release_slot(user, presence.session);
        }
        assert!(roster.documents.lock().is_empty());
        let slots = roster.slots.lock();
        assert!(slots.taken.is_empty() && slots.owners.is_empty());
    }
}
