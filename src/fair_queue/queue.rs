//! Waits for the places of a fair queue.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::{sync::oneshot, time::timeout};

use super::{
    QueueBounds, QueueKey,
    places::{QueuePlaces, Request, Ticket},
};

/// Why a place was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueueError {
    /// Too many wait already, or the waiter had to give way to one of another key.
    #[error("too many wait already")]
    Full,
    /// No place became free in time.
    #[error("no place became free in time")]
    TooLate,
}

/// A semaphore that serves its keys in turn. Clones are the same queue.
#[derive(Clone)]
pub struct FairQueue<K: QueueKey>(Arc<Mutex<QueuePlaces<K, Waiter<K>>>>);

/// Receives the permit of a waiter. It is dropped when the waiter has to give way.
type Waiter<K> = oneshot::Sender<FairPermit<K>>;

/// One place of a queue, which is given back when the permit is dropped.
pub struct FairPermit<K: QueueKey> {
    queue: FairQueue<K>,
    key: K,
}

/// A waiter. When it is dropped, it waits no longer.
struct Waiting<'a, K: QueueKey> {
    queue: &'a FairQueue<K>,
    key: &'a K,
    ticket: Ticket,
    permit: oneshot::Receiver<FairPermit<K>>,
}

impl<K: QueueKey> FairQueue<K> {
    /// Returns a queue with these bounds. All its places are free.
    #[must_use]
    pub fn new(bounds: QueueBounds) -> Self {
        Self(Arc::new(Mutex::new(QueuePlaces::new(bounds))))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`QueueError::Full`].
    ///
    /// # Cancel safety
    /// Dropping the future gives its turn to the next waiter.
    pub async fn acquire(&self, key: K) -> Result<FairPermit<K>, QueueError> {
        let (sender, permit) = oneshot::channel();
        // A waiter that gives way is dropped after the lock.
        let request = self.0.lock().request(&key, sender);
        let ticket = match request {
            Request::Taken => return Ok(FairPermit { queue: self.clone(), key }),
            Request::Waits(ticket, _gives_way) => ticket,
            Request::Refused => return Err(QueueError::Full),
        };
        let mut waiting = Waiting { queue: self, key: &key, ticket, permit };
        (&mut waiting.permit).await.map_err(|_gave_way| QueueError::Full)
    }

    /// Waits for a place, at most `within`.
    ///
    /// # Errors
    /// [`QueueError`].
    ///
    /// # Cancel safety
    /// As [`FairQueue::acquire`].
    pub async fn acquire_within(
        &self,
        key: K,
        within: Duration,
    ) -> Result<FairPermit<K>, QueueError> {
        timeout(within, self.acquire(key)).await.unwrap_or(Err(QueueError::TooLate))
    }
}

impl<K: QueueKey> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        // A permit that was sent and not received is dropped with the channel, which serves the next waiter.
        let removed = self.queue.0.lock().remove(self.key, self.ticket);
        drop(removed);
    }
}

impl<K: QueueKey> Drop for FairPermit<K> {
    fn drop(&mut self) {
        let served = self.queue.0.lock().give_back(&self.key);
        if let Some((key, waiter)) = served {
            // If the waiter has just been dropped, so is the permit here, which serves the next one.
            let permit = Self { queue: self.queue.clone(), key };
            drop(waiter.send(permit));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all, poll};
    use tokio::{
        task::{JoinSet, yield_now},
        time::{Instant, pause},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn queue(places: usize, waiting: usize) -> FairQueue<char> {
        let bounds = QueueBounds { places, share: places, waiting_of_key: waiting, waiting };
        FairQueue::new(bounds)
    }

    #[tokio::test]
    async fn a_dropped_permit_wakes_the_next_key() {
        let queue = queue(1, 10);
        let permit = queue.acquire('a').await.unwrap();
        let mut second = Box::pin(queue.acquire('a'));
        let mut third = Box::pin(queue.acquire('a'));
        let mut other = Box::pin(queue.acquire('b'));
        for waiting in [&mut second, &mut third, &mut other] {
            assert!(poll!(waiting).is_pending());
        }
        drop(permit);
        let permit = second.await.unwrap();
        assert!(poll!(&mut other).is_pending());
        drop(permit);
        assert!(poll!(&mut third).is_pending());
        drop(other.await.unwrap());
        third.await.unwrap();
    }

    #[tokio::test]
    async fn a_waiter_that_is_dropped_gives_its_turn_on() {
        let queue = queue(1, 10);
        let permit = queue.acquire('a').await.unwrap();
        let mut leaves = Box::pin(queue.acquire('b'));
        let mut served_and_leaves = Box::pin(queue.acquire('c'));
        let mut stays = Box::pin(queue.acquire('d'));
        for waiting in [&mut leaves, &mut served_and_leaves, &mut stays] {
            assert!(poll!(waiting).is_pending());
        }
        drop(leaves);
        drop(permit);
        // It has its permit, and does not know it yet.
        drop(served_and_leaves);
        drop(stays.now_or_never().unwrap().unwrap());
        queue.acquire('e').now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_waiter_that_gives_way_is_told() {
        let queue = queue(1, 2);
        let permit = queue.acquire('a').await.unwrap();
        let (mut first, mut second) = (Box::pin(queue.acquire('a')), Box::pin(queue.acquire('a')));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        let refused = queue.acquire('a').now_or_never();
        assert!(matches!(refused, Some(Err(QueueError::Full))));
        let mut other = Box::pin(queue.acquire('b'));
        assert!(poll!(&mut other).is_pending());
        assert!(matches!(second.now_or_never(), Some(Err(QueueError::Full))));
        drop(permit);
        drop(first.await.unwrap());
        other.await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_has_an_end() {
        pause();
        let queue = queue(1, 10);
        let permit = queue.acquire('a').await.unwrap();
        let began = Instant::now();
        let late = queue.acquire_within('b', LONG).await;
        assert!(matches!(late, Err(QueueError::TooLate)));
        assert!((LONG..2 * LONG).contains(&began.elapsed()));
        drop(permit);
        queue.acquire('c').now_or_never().unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_wake_up_is_lost_between_threads() {
        let queue = queue(2, 1_000);
        let mut tasks = JoinSet::new();
        for task in 0..200_u32 {
            let queue = queue.clone();
            tasks.spawn(async move {
                let key = char::from_digit(task % 7, 10).unwrap();
                for turn in 0..20 {
                    if (task + turn) % 3 == 0 {
                        // Waits for one poll only.
                        let mut waiting = Box::pin(queue.acquire(key));
                        let _outcome = poll!(&mut waiting);
                        yield_now().await;
                    } else {
                        let _permit = queue.acquire(key).await.unwrap();
                        yield_now().await;
                    }
                }
            });
        }
        timeout(LONG, tasks.join_all()).await.unwrap();
        let both = join_all([queue.acquire('x'), queue.acquire('y')]).now_or_never().unwrap();
        assert!(both.iter().all(Result::is_ok));
    }
}
