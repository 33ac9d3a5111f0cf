//! The sum over all outboxes of this node.

use std::sync::atomic::{AtomicI64, Ordering};

/// The bytes in all outboxes that share it. Every outbox keeps it exact, also when it is dropped.
#[derive(Debug, Default)]
pub struct OutboxTotals {
    bytes: AtomicI64,
}

impl OutboxTotals {
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
}
