//! Counting operations until their replies have left.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many operations of a session are in flight: accepted, and their reply not yet taken by the socket.
#[derive(Debug, Clone, Default)]
pub struct InFlightCount(Arc<AtomicUsize>);

impl InFlightCount {
    /// Counts one more operation, until the returned value is dropped.
    #[must_use]
    pub fn enter(&self) -> InFlight {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.0))
    }

    /// How many there are.
    #[must_use]
    pub fn current(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One operation in flight. It travels with its last reply through the outbox; dropping it ends the operation.
///
/// It is no more than a counter on purpose: an outbox drops it while it holds its lock.
#[derive(Debug)]
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
