//! The changes and cursor moves that a user may make over HTTP. A session has allowances of its own.

use crate::{
    domain::{DocumentId, UserId},
    session::{Limits, Throttle, Throttled},
};

/// The allowances of all users, for each document as many as a session has.
pub struct RequestAllowances {
    /// Changes. New documents count together.
    edits: Throttle<(UserId, Option<DocumentId>)>,
    cursors: Throttle<(UserId, DocumentId)>,
}

impl RequestAllowances {
    /// Returns allowances of which nothing is spent.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let edits = "changes of one document by HTTP requests of one user";
        let cursors = "cursor moves in one document by HTTP requests of one user";
        Self {
            edits: Throttle::per_second(edits, limits.edits_per_second),
            cursors: Throttle::per_second(cursors, limits.cursors_per_second),
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
