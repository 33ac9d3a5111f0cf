//! The deadline of every wait.

use std::{future::Future, time::Duration};

/// The longest time that a test waits for one thing. It only ends a test that has failed: what must happen soon is shown by
/// the order of events.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The interval at which a condition is checked that sends no notification.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// Awaits `future` and fails the test after [`DEADLINE`]. `what` names the awaited event.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("{what} did not happen within {DEADLINE:?}")
    };
    output
}

/// Checks `condition` until it holds and fails the test after [`DEADLINE`].
pub async fn expect_eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let checks = async {
        let mut interval = tokio::time::interval(CHECK_EVERY);
        while !condition().await {
            interval.tick().await;
        }
    };
    within(what, checks).await;
}
