//! What waits in all outboxes of this node together.

use std::sync::atomic::{AtomicI64, Ordering};

/// Sums over all outboxes that were given it; they keep it exact, also when they go.
#[derive(Debug, Default)]
pub struct OutboxTotals {
    bytes: AtomicI64,
}

impl OutboxTotals {
    /// The bytes that wait for sockets.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        // Each outbox adds before it takes away, so less than nothing cannot be.
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// An outbox went from `before` to `after` bytes.
    pub(super) fn moved(&self, before: usize, after: usize) {
        if before != after {
            let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
            self.bytes.fetch_add(signed(after) - signed(before), Ordering::Relaxed);
        }
    }
}
