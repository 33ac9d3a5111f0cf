//! The changes and cursor moves that a user may make over HTTP. A session has allowances of its own.

use crate::{
    domain::{DocumentId, UserId},
    session::{Limits, Throttle, Throttled},
};

/// The allowances of all users: for each document as many as a session has, and in all as many as their sessions have together.
pub struct RequestAllowances {
    /// Changes of one document. New documents count together.
    edits: Throttle<(UserId, Option<DocumentId>)>,
    /// Changes of all documents.
    all_edits: Throttle<UserId>,
    cursors: Throttle<(UserId, DocumentId)>,
}

impl RequestAllowances {
    /// Returns allowances of which nothing is spent.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let sessions = u32::try_from(limits.connections_per_user).unwrap_or(u32::MAX);
        Self::of_sessions(sessions, limits.edits_per_second, limits.cursors_per_second)
    }

    /// Returns the allowances for this number of sessions, and of edits and cursor moves a second.
    fn of_sessions(sessions: u32, edits_per_second: u32, cursors_per_second: u32) -> Self {
        let edits = "changes of one document by HTTP requests of one user";
        let all_edits = "changes by HTTP requests of one user";
        let cursors = "cursor moves in one document by HTTP requests of one user";
        Self {
            edits: Throttle::per_second(edits, edits_per_second),
            all_edits: Throttle::per_second(all_edits, edits_per_second.saturating_mul(sessions)),
            cursors: Throttle::per_second(cursors, cursors_per_second),
        }
    }

    /// Spends a change of a document, or of a new one.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn take_edit(
        &self,
        user: UserId,
        document: Option<DocumentId>,
    ) -> Result<(), Throttled> {
        self.take_edit_of(user, document)?;
        self.take_any_edit(user)
    }

    /// Spends a change of some document, before it is known which one.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn take_any_edit(&self, user: UserId) -> Result<(), Throttled> {
        self.all_edits.take(&user)
    }

    /// Spends what a change of a document costs more than one of [some document](Self::take_any_edit).
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn take_edit_of(
        &self,
        user: UserId,
        document: Option<DocumentId>,
    ) -> Result<(), Throttled> {
        self.edits.take(&(user, document))
    }

    /// Spends a cursor move.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn take_cursor(&self, user: UserId, document: DocumentId) -> Result<(), Throttled> {
        self.cursors.take(&(user, document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_documents_have_no_more_than_the_sessions_of_a_user_together() {
        let allowances = RequestAllowances::of_sessions(3, 2, 1);
        let user = UserId::new();
        let taken = (0..20).filter(|_| allowances.take_edit(user, Some(DocumentId::new())).is_ok());
        assert_eq!(taken.count(), 6);
        assert!(allowances.take_edit(UserId::new(), None).is_ok());
    }

    #[test]
    fn a_change_of_some_document_and_the_rest_of_it_cost_one_change() {
        let allowances = RequestAllowances::of_sessions(2, 2, 1);
        let (user, document) = (UserId::new(), Some(DocumentId::new()));
        for _ in 0..2 {
            assert!(allowances.take_any_edit(user).is_ok());
            assert!(allowances.take_edit_of(user, document).is_ok());
        }
        assert!(allowances.take_any_edit(user).is_ok());
        assert!(allowances.take_edit_of(user, document).is_err());
        assert!(allowances.take_any_edit(user).is_ok());
        assert!(allowances.take_any_edit(user).is_err());
    }
}
