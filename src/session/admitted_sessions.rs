//! The admitted sessions of each user on this node. Pure.
//!
//! Invariant: a user without sessions has no entry.

use std::collections::HashMap;

use crate::{
    domain::{SessionId, UserId},
    wire::Predecessor,
};

/// The sessions that hold a connection slot, by user.
#[derive(Debug, Default)]
pub(super) struct AdmittedSessions(HashMap<UserId, Vec<AdmittedSession>>);

#[derive(Debug)]
struct AdmittedSession {
    id: SessionId,
    /// How a newer connection names this one, if not by its id.
    name: Option<Predecessor>,
}

impl AdmittedSessions {
    /// Adds a session.
    pub(super) fn add(&mut self, user: UserId, id: SessionId, name: Option<Predecessor>) {
        self.0.entry(user).or_default().push(AdmittedSession { id, name });
    }

    /// Removes a session.
    pub(super) fn remove(&mut self, user: UserId, id: SessionId) {
        if let Some(sessions) = self.0.get_mut(&user) {
            sessions.retain(|session| session.id != id);
            if sessions.is_empty() {
                self.0.remove(&user);
            }
        }
    }

    /// Returns all sessions of a user.
    pub(super) fn of(&self, user: UserId) -> impl Iterator<Item = SessionId> {
        self.0.get(&user).into_iter().flatten().map(|session| session.id)
    }

    /// Returns the sessions that the session `successor` of `user` replaces. Sessions of other users are never among them,
    /// and no newer session of the same editor: a request of another node may arrive after the editor has come back again.
    pub(super) fn named(
        &self,
        user: UserId,
        predecessor: Predecessor,
        successor: SessionId,
    ) -> impl Iterator<Item = SessionId> {
        let sessions = self.0.get(&user).into_iter().flatten();
        let named = sessions.filter(move |session| match predecessor {
            Predecessor::Session(id) => session.id == id,
            Predecessor::Editor { .. } => {
                session.name == Some(predecessor) && session.id < successor
            }
        });
        named.map(|session| session.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DocumentId;

    #[test]
    fn only_sessions_of_the_same_user_can_be_named() {
        let mut admitted = AdmittedSessions::default();
        let (alice, bob) = (UserId::new(), UserId::new());
        let (tab, editor) = (SessionId::new(), SessionId::new());
        let name =
            |client| Predecessor::Editor { document: DocumentId::from(alice.uuid()), client };
        admitted.add(alice, tab, None);
        admitted.add(alice, editor, Some(name(7)));

        let successor = SessionId::new();
        let named =
            |user, predecessor| admitted.named(user, predecessor, successor).collect::<Vec<_>>();
        assert_eq!(named(alice, Predecessor::Session(tab)), [tab]);
        assert_eq!(named(alice, Predecessor::Session(editor)), [editor]);
        assert_eq!(named(alice, name(7)), [editor]);
        assert_eq!(named(alice, name(8)), []);
        assert_eq!(named(bob, Predecessor::Session(tab)), []);
        assert_eq!(named(bob, name(7)), []);

        let late = admitted.named(alice, name(7), tab).collect::<Vec<_>>();
        assert_eq!(late, [], "the editor is newer than the session that replaces it");
    }

    #[test]
    fn sessions_that_have_left_leave_no_entries() {
        let mut admitted = AdmittedSessions::default();
        let (alice, session) = (UserId::new(), SessionId::new());
        admitted.add(alice, session, None);
        assert_eq!(admitted.of(alice).collect::<Vec<_>>(), [session]);
        admitted.remove(alice, session);
        assert!(admitted.0.is_empty());
    }
}
