//! Counts the updates of an editor that are stored, as the editor is told. Pure.
//!
//! An update that is not stored may be followed by some that are: those that do not depend on it. The count stops before it
//! until a sync step 2 is stored, which has everything that the editor has.

/// Updates that are stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UpdateBatch {
    /// The number of updates received up to the last one of them.
    pub(super) received: u64,
    /// Whether one of them is a sync step 2.
    pub(super) has_step_2: bool,
}

/// How many updates of an editor are stored.
#[derive(Debug, Default)]
pub(super) struct StoredUpdates {
    /// All updates up to this number are stored.
    count: u64,
    /// Whether the next one was received, but not stored.
    lacks_next: bool,
}

impl StoredUpdates {
    /// Returns how many updates are stored once this batch is.
    pub(super) fn count_with(&self, batch: UpdateBatch) -> u64 {
        match self.lacks_next && !batch.has_step_2 {
            true => self.count,
            false => batch.received,
        }
    }

    /// Notes that a batch is stored. Returns whether all updates up to its last one are.
    pub(super) fn stored(&mut self, batch: UpdateBatch) -> bool {
        self.count = self.count_with(batch);
        self.lacks_next &= !batch.has_step_2;
        !self.lacks_next
    }

    /// Returns whether an update was received and not stored.
    pub(super) fn lacks_next(&self) -> bool {
        self.lacks_next
    }

    /// Notes that a batch was not stored, or not all of it.
    pub(super) fn not_stored(&mut self) {
        self.lacks_next = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_stops_before_an_update_that_is_not_stored_until_a_sync_step_2_is() {
        let update = |received| UpdateBatch { received, has_step_2: false };
        let step_2 = |received| UpdateBatch { received, has_step_2: true };
        let mut stored = StoredUpdates::default();
        assert!(stored.stored(step_2(1)) && stored.stored(update(3)));
        assert_eq!(stored.count_with(update(4)), 4);

        stored.not_stored();
        assert!(stored.lacks_next());
        assert_eq!(stored.count_with(update(5)), 3, "the fourth is missing");
        assert!(!stored.stored(update(5)));
        assert_eq!(stored.count_with(step_2(6)), 6);
        stored.not_stored();
        assert_eq!(stored.count_with(update(7)), 3);

        assert!(stored.stored(step_2(8)) && !stored.lacks_next());
        assert_eq!(stored.count_with(update(9)), 9);
    }
}
