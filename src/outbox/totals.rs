//! Totals over all outboxes of this node, and the report of a full one.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use crate::{domain::SessionId, metrics::Metrics};

/// The bytes in all outboxes that share it. Every outbox keeps it exact, also when it is dropped.
#[derive(Default)]
pub struct OutboxTotals {
    bytes: AtomicI64,
    metrics: Metrics,
}

impl fmt::Debug for OutboxTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxTotals").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl OutboxTotals {
    /// Creates totals without outboxes. Full outboxes are counted in `metrics`.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { bytes: AtomicI64::new(0), metrics }
    }

    /// Returns the bytes that wait for sockets.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        // Each outbox adds before it subtracts, so the sum is never negative.
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Records that an outbox went from `before` to `after` bytes.
    pub(super) fn moved(&self, before: usize, after: usize) {
        if before != after {
            let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.bytes.fetch_add(signed(after) - signed(before), Ordering::Relaxed);
        }
    }

    /// Logs and counts that the outbox of a session has reached its limit. `cause` is the class of the frame that filled
    /// it. Every push reports here, whether a room or the session made it.
    pub(super) fn limit_reached(&self, session: SessionId, cause: &'static str) {
        tracing::warn!(session.id = %session, cause, "outbox reached its limit");
        self.metrics.outbox_bound_reached(1);
    }
}
