//! The count of operations whose replies have not left yet.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts the operations of a session that are in flight: accepted, and their reply not yet taken by the socket.
#[derive(Debug, Clone, Default)]
pub struct InFlightCount(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    operations: AtomicUsize,
    bytes: AtomicUsize,
    /// Notified when an operation ends.
    freed: Notify,
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

    /// Waits until an operation has ended. Returns at once if one has ended since the last call.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

/// One operation in flight. It travels through the outbox with the operation's last reply, and dropping it ends the
/// operation.
///
/// It only counts and wakes the session, because an outbox drops it while it holds its lock.
#[derive(Debug)]
pub struct InFlight {
    counts: Arc<Counts>,
    bytes: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counts.operations.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn the_end_of_an_operation_is_noticed_before_and_while_it_is_awaited() {
        let count = InFlightCount::default();
        let (first, second) = (count.enter(1), count.enter(2));
        drop(first);
        count.freed().await;

        let mut freed = std::pin::pin!(count.freed());
        assert!(poll!(&mut freed).is_pending());
        drop(second);
        freed.await;
        assert_eq!((count.current(), count.bytes()), (0, 0));
    }
}
