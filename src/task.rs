//! Tasks that must not end before the process does.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

/// The pause before a task that panicked is started again. A task that always panics must not use up a core.
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// Runs a task that is started again when it panics. `name` identifies it in the log. Aborting the handle ends it.
///
/// `start` begins the task. What must survive a panic belongs to `start`, not to the future it returns.
pub fn supervise<F>(name: &'static str, start: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(run(name, start))
}

/// Like [`supervise`], for a task that stays on the calling thread.
pub fn supervise_local<F>(name: &'static str, start: impl Fn() -> F + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + 'static,
{
    actix_rt::spawn(run(name, start))
}

async fn run<F: Future<Output = ()>>(name: &'static str, start: impl Fn() -> F) {
    while AssertUnwindSafe(start()).catch_unwind().await.is_err() {
        // The panic hook has logged the message.
        tracing::error!(task = name, "a task panicked and is started again");
        tokio::time::sleep(RESTART_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again() {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let task = supervise("test", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move { assert_eq!(run, 2, "the first two runs fail") }
        });

        task.await.unwrap();

        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }
}
