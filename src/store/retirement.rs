//! Connections that are not trusted any more.
//!
//! After a failover, a connection may lead to a server that has become read-only, or that does not answer at all. New
//! connections lead to the new primary.

use std::{future::Future, pin::pin, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::StoreError;

/// The database did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer within `store.answer_within`")]
pub(super) struct NoAnswer;

impl From<NoAnswer> for StoreError {
    fn from(error: NoAnswer) -> Self {
        Self::unavailable(error)
    }
}

/// How long the connections that were open when an answer did not come are suspected.
const SUSPECTED_FOR: Duration = Duration::from_secs(60);

/// The shortest time between two retirements. A database that stays read-only still serves reads.
const RETIRE_EVERY: Duration = Duration::from_secs(1);

/// Which connections may be used again.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    /// Connections that were open at this time are closed instead of being used again.
    retired: Mutex<Option<Instant>>,
    /// Connections that were open at this time are tested, because one of them did not answer.
    suspected: Mutex<Option<Instant>>,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be used.
    Trusted,
    /// It may be used if it answers to a test.
    Suspected,
    /// It must be closed.
    Retired,
}

impl Retirement {
    /// Retires every connection that is open now, at most once a second.
    pub(super) fn retire_all(&self) {
        let mut retired = self.retired.lock();
        if retired.is_none_or(|retired| retired.elapsed() >= RETIRE_EVERY) {
            *retired = Some(Instant::now());
        }
    }

    /// Waits for an answer of the database. Suspects every connection if it takes longer than `limit`.
    ///
    /// # Errors
    /// The answer did not come in time.
    pub(super) async fn limit<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<T, NoAnswer> {
        // Dropped last: the connection must be suspected when it returns to its pool.
        let mut answer = pin!(answer);
        timeout(limit, &mut answer).await.map_err(|_elapsed| {
            *self.suspected.lock() = Some(Instant::now());
            NoAnswer
        })
    }

    /// Retires every connection if an error says that the database cannot be written.
    pub(super) fn note(&self, error: &StoreError) {
        if error.is_read_only() {
            self.retire_all();
        }
    }

    /// Decides about a connection of this age.
    pub(super) fn verdict(&self, age: Duration) -> Verdict {
        let was_open = |at: Instant| at.elapsed() <= age;
        if self.retired.lock().is_some_and(was_open) {
            return Verdict::Retired;
        }
        let is_suspected = |at: Instant| was_open(at) && at.elapsed() < SUSPECTED_FOR;
        match self.suspected.lock().is_some_and(is_suspected) {
            true => Verdict::Suspected,
            false => Verdict::Trusted,
        }
    }
}
