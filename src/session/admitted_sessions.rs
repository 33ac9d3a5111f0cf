//! The admitted sessions of each user on this node. Pure.
//!
//! Invariant: a user without sessions has no entry.

use std::collections::HashMap;

use crate::{
    domain::{EndedSignIns, SessionId, SignIn, UserId},
    wire::Predecessor,
};

/// The sessions that hold a connection slot, by user.
#[derive(Debug, Default)]
pub(super) struct AdmittedSessions(HashMap<UserId, Vec<AdmittedSession>>);

#[derive(Debug)]
struct AdmittedSession {
    id: SessionId,
    /// The sign-in of its client's last token.
    sign_in: SignIn,
    /// How a newer connection names this one, if not by its id.
    name: Option<Predecessor>,
}

impl AdmittedSessions {
    /// Adds a session.
    pub(super) fn add(
        &mut self,
        user: UserId,
        id: SessionId,
        sign_in: SignIn,
        name: Option<Predecessor>,
    ) {
        self.0.entry(user).or_default().push(AdmittedSession { id, sign_in, name });
    }

    /// Notes the sign-in of a newer token.
    pub(super) fn renew(&mut self, user: UserId, id: SessionId, sign_in: SignIn) {
        let sessions = self.0.get_mut(&user).into_iter().flatten();
        for session in sessions.filter(|session| session.id == id) {
            session.sign_in = sign_in;
        }
    }

    /// Moves a session of the user into a generation, if its sign-in says one: it survives the end of those before.
    pub(super) fn keep(&mut self, user: UserId, id: SessionId, generation: i64) {
        let sessions = self.0.get_mut(&user).into_iter().flatten();
        for session in sessions.filter(|session| session.id == id) {
            session.sign_in.generation = Some(generation);
        }
    }

    /// Returns the sessions of a user whose sign-ins have ended.
    pub(super) fn of_ended(
        &self,
        user: UserId,
        ended: EndedSignIns,
    ) -> impl Iterator<Item = SessionId> {
        let sessions = self.0.get(&user).into_iter().flatten();
        let of_ended = sessions.filter(move |session| session.sign_in.is_among(&ended));
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
    use crate::domain::{DocumentId, SignInId, TokenIssuer};

    fn sign_in(generation: i64) -> SignIn {
        SignIn {
            id: SignInId::new(),
            issued_by: TokenIssuer::Ours,
            generation: Some(generation),
            issued_at: None,
            began_at: None,
        }
    }

    #[test]
    fn sessions_end_with_their_sign_in() {
        let mut admitted = AdmittedSessions::default();
        let (alice, bob) = (UserId::new(), UserId::new());
        let [first, second, other] = [(); 3].map(|()| SessionId::new());
        let (older, newer) = (sign_in(0), sign_in(1));
        admitted.add(alice, first, older, None);
        admitted.add(alice, second, newer, None);
        admitted.add(bob, other, older, None);

        let of = |admitted: &AdmittedSessions, ended| {
            admitted.of_ended(alice, ended).collect::<Vec<_>>()
        };
        let all = |generation| EndedSignIns::All { generation, at: DateTime::UNIX_EPOCH };
        assert_eq!(of(&admitted, EndedSignIns::One(newer.id)), [second]);
        assert_eq!(of(&admitted, all(0)), []);
        assert_eq!(of(&admitted, all(1)), [first]);
        assert_eq!(of(&admitted, all(2)), [first, second]);

        admitted.keep(alice, second, 2);
        assert_eq!(of(&admitted, all(2)), [first]);
        admitted.renew(alice, first, sign_in(2));
        assert_eq!(of(&admitted, all(2)), []);
        assert_eq!(of(&admitted, EndedSignIns::One(older.id)), []);
    }

    #[test]
    fn only_sessions_of_the_same_user_can_be_named() {
        let mut admitted = AdmittedSessions::default();
        let (alice, bob) = (UserId::new(), UserId::new());
        let (tab, editor) = (SessionId::new(), SessionId::new());
        let name =
            |client| Predecessor::Editor { document: DocumentId::from(alice.uuid()), client };
        admitted.add(alice, tab, sign_in(0), None);
        admitted.add(alice, editor, sign_in(0), Some(name(7)));

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
        admitted.add(alice, session, sign_in(0), None);
        assert_eq!(admitted.of(alice).collect::<Vec<_>>(), [session]);
        admitted.remove(alice, session);
        assert!(admitted.0.is_empty());
    }
}
