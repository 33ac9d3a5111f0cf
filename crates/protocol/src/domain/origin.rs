//! The origin of an event, to which the event is not delivered.

use super::{SessionId, UserId};

/// The origin of an event: the user, and the session if known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The user who caused it.
    pub user: UserId,
    /// The session that caused it, or that the request named. `None` for an HTTP request that names none.
    pub session: Option<SessionId>,
}

impl Origin {
    /// Returns whether a subscriber is this origin.
    ///
    /// If the session is known, only that session is the origin, and the user's other tabs receive the event.
    /// Otherwise every session of the user counts as the origin, since any of them may have sent the request.
    #[must_use]
    pub fn is(&self, user: UserId, session: SessionId) -> bool {
        match self.session {
            Some(origin) => origin == session,
            None => self.user == user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_session_alone_is_the_origin() {
        let (user, tab, other_tab) = (UserId::new(), SessionId::new(), SessionId::new());
        let origin = Origin { user, session: Some(tab) };

        assert!(origin.is(user, tab));
        assert!(!origin.is(user, other_tab));
    }

    #[test]
    fn without_a_session_every_session_of_the_user_is_the_origin() {
        let (user, tab, other_tab) = (UserId::new(), SessionId::new(), SessionId::new());
        let origin = Origin { user, session: None };

        assert!(origin.is(user, tab));
        assert!(origin.is(user, other_tab));
        assert!(!origin.is(UserId::new(), tab));
    }
}
