//! Counts the members of a room in the gauge of all rooms.

use crate::metrics::Metrics;

/// The count of one room. Dropping it removes the members from the gauge.
pub(super) struct MemberGauge {
    metrics: Metrics,
    counted: usize,
}

impl MemberGauge {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, counted: 0 }
    }

    /// Sets the number of members.
    pub(super) fn set(&mut self, members: usize) {
        let before = std::mem::replace(&mut self.counted, members);
        if before != members {
            self.metrics.members_changed(before, members);
        }
    }
}

impl Drop for MemberGauge {
    fn drop(&mut self) {
        self.set(0);
    }
}
