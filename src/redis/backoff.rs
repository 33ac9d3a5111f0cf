//! How long to wait before the next try.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause: what went away for an hour is missed for half a second more.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Pauses that double, each cut by chance to between half and all of it, so that the nodes of a cluster do not come back
/// all at once.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after another failure. `chance` is between 0 and 1.
    pub fn failed(&mut self, chance: f64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(MAX_DELAY);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// It worked: the next pause is the first again.
    pub fn worked(&mut self) {
        self.failures = 0;
    }
}

/// A number between 0 and 1, each time another one.
#[must_use]
pub fn chance() -> f64 {
    // Where there is no randomness there is no jitter, and nothing worse.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.failed(1.0).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 500, 500, 500, 500]);
        backoff.worked();
        assert_eq!(backoff.failed(0.0), FIRST / 2);
        for _ in 0..1000 {
            assert!(backoff.failed(1.0) <= MAX_DELAY);
        }
    }

    #[test]
    fn chance_stays_between_nothing_and_all() {
        assert!((0..100).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
    }
}
