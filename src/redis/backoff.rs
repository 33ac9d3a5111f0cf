//! The delay before the next attempt to connect.

use std::time::Duration;

/// The delay after the first failure.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// The longest delay. Redis is noticed at most this long after it becomes available again.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// Delays that double with every failure. Each is reduced at random by up to half, so that the nodes
/// of a cluster do not all reconnect at the same time.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Records a failure and returns the delay before the next attempt. `fraction`, from 0 to 1, selects
    /// a delay between half and all of the maximum for this failure.
    pub fn next_delay(&mut self, fraction: f64) -> Duration {
        let delay = FIRST_DELAY.saturating_mul(1 << self.failures.min(16)).min(MAX_DELAY);
        self.failures = self.failures.saturating_add(1);
        delay.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
    }

    /// Records a success: the next delay is the first one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Returns a random number from 0 to 1.
#[must_use]
pub fn random_fraction() -> f64 {
    // Without a source of randomness there is only no jitter.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..8).map(|_| backoff.next_delay(1.0).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 500, 500, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0.0), FIRST_DELAY / 2);
        for _ in 0..1000 {
            assert!(backoff.next_delay(1.0) <= MAX_DELAY);
        }
    }

    #[test]
    fn a_random_fraction_is_between_zero_and_one() {
        let mut fractions = (0..100).map(|_| random_fraction());
        assert!(fractions.all(|fraction| (0.0..=1.0).contains(&fraction)));
    }
}
