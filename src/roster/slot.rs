//! A connection slot that is given back however its session ends.

use std::sync::Arc;

use super::{Roster, SlotError};
use crate::domain::{SessionId, UserId};

/// One of a user's connection slots. Dropping it gives it back.
pub struct Slot {
    roster: Arc<dyn Roster>,
    user: UserId,
    session: SessionId,
}

impl Slot {
    /// Takes one of the user's `limit` slots for `session`.
    ///
    /// # Errors
    /// All of them are taken.
    pub async fn take(
        roster: Arc<dyn Roster>,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<Self, SlotError> {
        // It is there before the answer, so that whoever stops waiting gives back what may have been taken.
        let slot = Self { roster, user, session };
        slot.roster.take_slot(user, session, limit).await?;
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.roster.release_slot(self.user, self.session);
    }
}
