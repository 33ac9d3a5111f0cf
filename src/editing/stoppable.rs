//! Work on a thread that ends when nobody waits for it, or when it takes too long.
//!
//! The work asks a [`Budget`] whether to go on, at least once for each few milliseconds.

use std::time::Duration;

use tokio::time::timeout;

use crate::domain::Budget;

/// How long work is waited for after it was stopped. It ends within milliseconds, but a busy machine may take longer.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Why work has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It did not end in time after it was stopped. It still runs.
    Late,
    /// It panicked.
    Panicked,
}

/// Runs `work` on a worker thread. Stops its budget after `within`; the result is then what it returns when its budget is
/// exhausted.
///
/// # Errors
/// [`Unfinished`].
///
/// # Cancel safety
/// Dropping the future stops the work. What the work owns is dropped when it ends.
pub(super) async fn run_stoppable<T: Send + 'static>(
    budget: Budget,
    within: Duration,
    work: impl FnOnce(&Budget) -> T + Send + 'static,
) -> Result<T, Unfinished> {
    let stop = StopOnDrop(Some(budget.clone()));
    let mut working = tokio::task::spawn_blocking(move || work(&budget));
    let done = match timeout(within, &mut working).await {
        Ok(done) => {
            stop.disarm();
            done
        }
        Err(_elapsed) => {
            drop(stop);
            timeout(END_WITHIN, working).await.map_err(|_elapsed| Unfinished::Late)?
        }
    };
    done.map_err(|_panicked| Unfinished::Panicked)
}

/// Stops work when it is dropped.
struct StopOnDrop(Option<Budget>);

impl StopOnDrop {
    /// Leaves the budget as it is: the work has ended, and the next piece may spend what is left.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.stop();
        }
    }
}
