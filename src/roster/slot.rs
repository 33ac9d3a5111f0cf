//! A connection slot that is released when it is dropped.

use std::sync::Arc;

use super::{Roster, SlotError};
use crate::domain::{SessionId, UserId};

/// One of a user's connection slots. Dropping it releases the slot.
pub struct Slot {
    roster: Arc<dyn Roster>,
    user: UserId,
    session: SessionId,
}

impl Slot {
    /// Takes one of the user's `limit` slots for `session`.
    ///
    /// # Errors
    /// [`SlotError::LimitReached`] if all slots are taken.
    ///
    /// # Cancel safety
    /// Dropping the future releases the slot.
    pub async fn take(
        roster: Arc<dyn Roster>,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<Self, SlotError> {
        // Created before the reply arrives, so that a cancelled future releases what it may have taken.
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
