//! Who caused an event, and who therefore need not hear of it.

use super::{SessionId, UserId};

/// Where an event came from: always a user, and the session if one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Who did it.
    pub user: UserId,
    /// The socket it was done on or for; none for a plain HTTP request.
    pub session: Option<SessionId>,
}

impl Origin {
    /// Whether a subscriber is the one who did it.
    ///
    /// With a session known, only that session is left out, so that the user's other tab hears of it. Without
    /// one, every session of the user is, since any of them may be the one that typed.
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
    fn only_the_session_itself_is_left_out_when_it_is_known() {
        let (user, tab, other_tab) = (UserId::new(), SessionId::new(), SessionId::new());
        let origin = Origin { user, session: Some(tab) };

        assert!(origin.is(user, tab));
        assert!(!origin.is(user, other_tab));
    }

    #[test]
    fn every_session_of_the_user_is_left_out_when_none_is_known() {
        let (user, tab, other_tab) = (UserId::new(), SessionId::new(), SessionId::new());
        let origin = Origin { user, session: None };

        assert!(origin.is(user, tab));
        assert!(origin.is(user, other_tab));
        assert!(!origin.is(UserId::new(), tab));
    }
}
