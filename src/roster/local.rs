//! The roster of a cluster of one, in memory.

use std::collections::{HashMap, hash_map::Entry};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use parking_lot::Mutex;

use super::{Roster, RosterAway, RosterSnapshot, SlotError};
use crate::{
    domain::{Cursor, DocumentId, Presence, SessionId, UserId},
    wire::envelope::Sequence,
};

/// Presence entries by document, slots by user. Both maps lose an entry with its last session.
#[derive(Debug, Default)]
pub struct LocalRoster {
    documents: Mutex<HashMap<DocumentId, IndexMap<SessionId, Presence>>>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    taken: HashMap<UserId, usize>,
    sessions: HashMap<SessionId, UserId>,
}

impl LocalRoster {
    pub(super) fn take(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError> {
        let mut slots = self.slots.lock();
        if slots.sessions.contains_key(&session) {
            return Ok(());
        }
        let taken = slots.taken.entry(user).or_default();
        if *taken >= limit {
            return Err(SlotError::LimitReached { limit });
        }
        *taken += 1;
        slots.sessions.insert(session, user);
        Ok(())
    }

    /// False when the session held none.
    pub(super) fn release(&self, user: UserId, session: SessionId) -> bool {
        let mut slots = self.slots.lock();
        if slots.sessions.remove(&session).is_none() {
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

    /// Whose session this is, if it holds a slot here.
    pub(super) fn owner(&self, session: SessionId) -> Option<UserId> {
        self.slots.lock().sessions.get(&session).copied()
    }

    /// Every session with its user.
    pub(super) fn slots(&self) -> Vec<(UserId, SessionId)> {
        let slots = self.slots.lock();
        slots.sessions.iter().map(|(session, user)| (*user, *session)).collect()
    }

    /// Every session that has a document open, and which.
    pub(super) fn present(&self) -> Vec<(DocumentId, SessionId)> {
        let documents = self.documents.lock();
        let sessions = documents
            .iter()
            .flat_map(|(document, present)| present.keys().map(|session| (*document, *session)));
        sessions.collect()
    }

    /// Everybody here who has the document open.
    pub(super) fn present_in(&self, document: DocumentId) -> Vec<Presence> {
        let documents = self.documents.lock();
        documents.get(&document).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    /// One session's entry, if it has the document open here.
    pub(super) fn entry(&self, document: DocumentId, session: SessionId) -> Option<Presence> {
        self.documents.lock().get(&document).and_then(|all| all.get(&session)).cloned()
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
        self.take(user, session, limit)
    }

    fn release_slot(&self, user: UserId, session: SessionId) {
        self.release(user, session);
    }

    async fn find_session(
        &self,
        session: SessionId,
        _user: UserId,
    ) -> Result<Option<UserId>, RosterAway> {
        Ok(self.owner(session))
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
        if let Some(presence) = documents.get_mut(&document).and_then(|all| all.get_mut(&session)) {
            presence.cursor = cursor;
            presence.last_seen = at;
        }
    }

    async fn list(&self, document: DocumentId) -> Vec<Presence> {
        self.present_in(document)
    }

    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterAway> {
        Ok(self.entry(document, session))
    }

    async fn find_standing(&self, _document: DocumentId) -> Option<RosterSnapshot> {
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

    // What every roster has to keep is tried in tests/contracts.
    #[tokio::test]
    async fn of_those_who_have_gone_nothing_is_left() {
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
        assert!(slots.taken.is_empty() && slots.sessions.is_empty());
    }
}
