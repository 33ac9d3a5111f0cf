//! Connections that must not be used any more.
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

/// The connections that are closed instead of being used again: all that were opened before a time.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    before: Mutex<Option<Instant>>,
}

impl Retirement {
    /// Retires every connection that is open now.
    pub(super) fn retire_all(&self) {
        *self.before.lock() = Some(Instant::now());
    }

    /// Waits for an answer of the database. Retires every connection if it takes longer than `limit`.
    ///
    /// # Errors
    /// The answer did not come in time.
    pub(super) async fn limit<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Result<T, NoAnswer> {
        // Dropped last: the connection must be retired when it returns to its pool.
        let mut answer = pin!(answer);
        timeout(limit, &mut answer).await.map_err(|_elapsed| {
            self.retire_all();
            NoAnswer
        })
    }

    /// Retires every connection if an error says that the database cannot be written.
    pub(super) fn note(&self, error: &StoreError) {
        if error.is_read_only() {
            self.retire_all();
        }
    }

    /// Whether a connection of this age is retired.
    pub(super) fn includes(&self, age: Duration) -> bool {
        self.before.lock().is_some_and(|before| before.elapsed() <= age)
    }
}
