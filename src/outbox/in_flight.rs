//! Counting operations until their replies have left.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many operations of a session are in flight: accepted, and their reply not yet taken by the socket.
#[derive(Debug, Clone, Default)]
pub struct InFlightCount(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicUsize,
    bytes: AtomicUsize,
}

impl InFlightCount {
    /// Counts one more operation of so many bytes, until the returned value is dropped.
    #[must_use]
    pub fn enter(&self, bytes: usize) -> InFlight {
        self.0.operations.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        InFlight { counts: Arc::clone(&self.0), bytes }
    }

    /// How many there are.
    #[must_use]
    pub fn current(&self) -> usize {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// How many bytes they had, as they came.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// One operation in flight. It travels with its last reply through the outbox; dropping it ends the operation.
///
/// It is no more than a counter on purpose: an outbox drops it while it holds its lock.
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
