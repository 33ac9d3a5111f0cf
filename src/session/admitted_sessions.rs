//! The admitted sessions of each user on this node. Pure.
//!
//! Invariant: a user without sessions has no entry.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    domain::{EndedSignIns, KeptSession, SessionId, SignIn, UserId},
    wire::Predecessor,
};

/// The sessions that hold a connection slot, by user.
#[derive(Debug, Default)]
pub(super) struct AdmittedSessions(HashMap<UserId, Vec<AdmittedSession>>);

#[derive(Debug)]
struct AdmittedSession {
    id: SessionId,
    /// The sign-in of its client's newest token, which the session changes.
    sign_in: Arc<Mutex<SignIn>>,
    /// How a newer connection names this one, if not by its id.
    name: Option<Predecessor>,
}

impl AdmittedSessions {
    /// Adds a session.
    pub(super) fn add(
        &mut self,
        user: UserId,
        id: SessionId,
        sign_in: Arc<Mutex<SignIn>>,
        name: Option<Predecessor>,
    ) {
        self.0.entry(user).or_default().push(AdmittedSession { id, sign_in, name });
    }

    /// Moves a session of the user to another sign-in.
    pub(super) fn keep(&mut self, user: UserId, kept: KeptSession) {
        let sessions = self.0.get(&user).into_iter().flatten();
        for session in sessions.filter(|session| session.id == kept.session) {
            *session.sign_in.lock() = kept.sign_in;
        }
    }

    /// Returns the sessions of a user whose sign-ins have ended.
    pub(super) fn of_ended(
        &self,
        user: UserId,
        ended: EndedSignIns,
    ) -> impl Iterator<Item = SessionId> {
        let sessions = self.0.get(&user).into_iter().flatten();
        let of_ended = sessions.filter(move |session| session.sign_in.lock().is_among(&ended));
        of_ended.map(|session| session.id)
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
    use chrono::DateTime;

    use super::*;
    use crate::domain::{DocumentId, examples::sign_in};

    fn shared() -> Arc<Mutex<SignIn>> {
        Arc::new(Mutex::new(sign_in(0)))
    }

    #[test]
    fn sessions_end_with_their_sign_in() {
        let mut admitted = AdmittedSessions::default();
        let (alice, bob) = (UserId::new(), UserId::new());
        let [first, second, other] = [(); 3].map(|()| SessionId::new());
        let (older, newer) = (sign_in(0), sign_in(1));
        admitted.add(alice, first, Arc::new(Mutex::new(older)), None);
        admitted.add(alice, second, Arc::new(Mutex::new(newer)), None);
        admitted.add(bob, other, Arc::new(Mutex::new(older)), None);

        let of = |admitted: &AdmittedSessions, ended| {
            admitted.of_ended(alice, ended).collect::<Vec<_>>()
        };
        let all = |generation| EndedSignIns::All { generation, at: DateTime::UNIX_EPOCH };
        assert_eq!(of(&admitted, EndedSignIns::One(newer.id)), [second]);
        assert_eq!(of(&admitted, all(0)), []);
        assert_eq!(of(&admitted, all(1)), [first]);
        assert_eq!(of(&admitted, all(2)), [first, second]);

        admitted.keep(alice, KeptSession { session: second, sign_in: sign_in(2) });
        assert_eq!(of(&admitted, all(2)), [first]);
        // The sessions of others are not kept.
        admitted.keep(alice, KeptSession { session: other, sign_in: sign_in(2) });
        assert_eq!(admitted.of_ended(bob, all(2)).collect::<Vec<_>>(), [other]);
    }

    #[test]
    fn only_sessions_of_the_same_user_can_be_named() {
        let mut admitted = AdmittedSessions::default();
        let (alice, bob) = (UserId::new(), UserId::new());
        let (tab, editor) = (SessionId::new(), SessionId::new());
        let name =
            |client| Predecessor::Editor { document: DocumentId::from(alice.uuid()), client };
        admitted.add(alice, tab, shared(), None);
        admitted.add(alice, editor, shared(), Some(name(7)));

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
        admitted.add(alice, session, shared(), None);
        assert_eq!(admitted.of(alice).collect::<Vec<_>>(), [session]);
        admitted.remove(alice, session);
        assert!(admitted.0.is_empty());
    }
}
