//! The count of operations whose replies have not left yet.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts the operations of a session that are in flight: accepted, and their reply not yet taken by the socket.
#[derive(Debug, Clone, Default)]
pub struct InFlightCount(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicUsize,
    bytes: AtomicUsize,
}

impl InFlightCount {
    /// Counts one more operation, with a request of `bytes`, until the returned guard is dropped.
    #[must_use]
    pub fn enter(&self, bytes: usize) -> InFlight {
        self.0.operations.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        InFlight { counts: Arc::clone(&self.0), bytes }
    }

    /// Returns the number of operations in flight.
    #[must_use]
    pub fn current(&self) -> usize {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// Returns the size of their requests together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// One operation in flight. It travels through the outbox with the operation's last reply, and dropping it ends the
/// operation.
///
/// It is only a counter, because an outbox drops it while it holds its lock.
#[derive(Debug)]
pub struct InFlight {
    counts: Arc<Counts>,
    bytes: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counts.operations.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
