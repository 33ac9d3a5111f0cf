//! Rate limits whose actions wait for their turn.

use std::{hash::Hash, time::Duration};

use super::{Throttle, Throttled};

/// The longest time that an action waits, in seconds.
const MAX_WAIT_SECONDS: u32 = 3;

/// Rate limits by key. Actions above the rate wait for up to 3 s, in the order in which they come.
///
/// The time of an action is decided when it comes, so each sets one timer. An action that would have to wait for longer is
/// refused at once.
pub struct WaitingThrottle<K: Hash + Eq + Clone> {
    /// As many actions as may wait are allowed at once besides.
    promises: Throttle<K>,
    allowed: u32,
}

impl<K: Hash + Eq + Clone> WaitingThrottle<K> {
    /// Creates limits of `allowed` actions per second for each key; 0 counts as 1.
    #[must_use]
    pub fn per_second(what: &'static str, allowed: u32) -> Self {
        let allowed = allowed.max(1);
        let burst = allowed.saturating_mul(1 + MAX_WAIT_SECONDS);
        Self { promises: Throttle::with_burst(what, allowed, burst), allowed }
    }

    /// Spends one action of `key`, and waits for its time.
    ///
    /// # Errors
    /// [`Throttled`] if none is left in time.
    ///
    /// # Cancel safety
    /// The action stays spent.
    pub async fn take(&self, key: &K) -> Result<(), Throttled> {
        let left = self.promises.spend(key)?;
        let ahead = self.allowed.saturating_mul(MAX_WAIT_SECONDS).saturating_sub(left);
        if ahead > 0 {
            tokio::time::sleep(Duration::from_secs(u64::from(ahead)) / self.allowed).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};

    use futures_util::{StreamExt as _, stream::FuturesUnordered};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn actions_wait_in_their_order_with_one_timer_each() {
        let (throttle, started) = (WaitingThrottle::per_second("upgrades", 1), Instant::now());
        let mut actions: FuturesUnordered<_> = (0..4)
            .map(|number| {
                let mut action = Box::pin(throttle.take(&"alice"));
                let mut polls = 0;
                poll_fn(move |cx| {
                    polls += 1;
                    action.as_mut().poll(cx).map(|result| (number, result, polls))
                })
            })
            .collect();
        let mut order = Vec::new();
        while let Some((number, result, polls)) = actions.next().await {
            result.unwrap();
            assert!(polls <= 2, "an action was woken {polls} times");
            order.push(number);
        }
        assert_eq!(order, [0, 1, 2, 3]);
        // The rate is measured with another clock, which is not paused. So the last may pass a little earlier.
        assert!(started.elapsed() <= Duration::from_millis(3_100), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_action_that_would_wait_too_long_is_refused_at_once() {
        let (throttle, started) = (WaitingThrottle::per_second("upgrades", 1), Instant::now());
        let actions = (0..100).map(|_| async {
            let result = throttle.take(&"alice").await;
            (result, started.elapsed())
        });
        let results = futures_util::future::join_all(actions).await;
        let (passed, refused): (Vec<_>, Vec<_>) =
            results.into_iter().partition(|(result, _)| result.is_ok());
        assert!(passed.len() >= 4 && refused.len() >= 10, "{} passed", passed.len());
        assert!(passed.iter().all(|(_, at)| *at <= Duration::from_secs(4)));
        assert!(refused.iter().all(|(_, at)| at.is_zero()));
        throttle.take(&"bob").await.unwrap();
    }
}
