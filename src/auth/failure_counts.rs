//! Counts of failures, by key, that fall with time.

use std::{hash::Hash, time::Duration};

use quick_cache::unsync::Cache;
use tokio::time::Instant;

/// The period of the limits.
const HOUR: Duration = Duration::from_secs(3_600);

/// The most keys with a count. Of more, those used least are forgotten.
const MAX_KEYS: usize = 50_000;

/// The count of each key: every failure adds to it, and it falls by the allowance of an hour in each hour.
pub(super) struct FailureCounts<K> {
    per_hour: u32,
    /// The most that is counted, in allowances of an hour. It bounds the time in which a count falls.
    max_hours: u32,
    counts: Cache<K, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> FailureCounts<K> {
    /// Returns counts of zero, with an allowance of `per_hour` failures; 0 counts as 1.
    pub(super) fn new(per_hour: u32) -> Self {
        Self::up_to(1, per_hour)
    }

    /// As [`FailureCounts::new`], and counts up to the allowance of `max_hours`.
    pub(super) fn up_to(max_hours: u32, per_hour: u32) -> Self {
        Self { per_hour: per_hour.max(1), max_hours, counts: Cache::new(MAX_KEYS) }
    }

    /// Returns the failures of a key that still count.
    pub(super) fn count(&self, key: &K, now: Instant) -> f64 {
        let Some(count) = self.counts.get(key) else { return 0.0 };
        let fallen = now.saturating_duration_since(count.at).as_secs_f64() * self.fall_per_second();
        (count.failures - fallen).max(0.0)
    }

    /// Returns the failures of a key that still count, as a multiple of its allowance.
    pub(super) fn allowances(&self, key: &K, now: Instant) -> f64 {
        self.count(key, now) / f64::from(self.per_hour)
    }

    /// Returns how long a key has to wait until one more failure fits into its allowance. None if it fits now.
    pub(super) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let excess = self.count(key, now) + 1.0 - f64::from(self.per_hour);
        (excess > 0.0).then(|| Duration::from_secs_f64(excess / self.fall_per_second()))
    }

    /// Counts failures of a key, or takes them back if the number is negative.
    pub(super) fn add(&mut self, key: &K, failures: f64, now: Instant) {
        let most = f64::from(self.per_hour) * f64::from(self.max_hours);
        let failures = (self.count(key, now) + failures).clamp(0.0, most);
        self.counts.insert(key.clone(), Count { failures, at: now });
    }

    /// Returns the allowance of an hour.
    pub(super) fn per_hour(&self) -> u32 {
        self.per_hour
    }

    fn fall_per_second(&self) -> f64 {
        f64::from(self.per_hour) / HOUR.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_falls_by_the_allowance_in_an_hour() {
        let (mut counts, now) = (FailureCounts::new(60), Instant::now());
        for _ in 0..60 {
            assert_eq!(counts.wait(&'a', now), None);
            counts.add(&'a', 1.0, now);
        }
        let wait = counts.wait(&'a', now).unwrap();
        assert!((59.0..61.0).contains(&wait.as_secs_f64()), "{wait:?}");
        assert_eq!(counts.wait(&'b', now), None);
        assert_eq!(counts.wait(&'a', now + Duration::from_secs(61)), None);
        assert!(counts.count(&'a', now + HOUR) < 0.001);
    }

    #[test]
    fn a_count_has_a_most_and_a_least() {
        let (mut counts, now) = (FailureCounts::up_to(4, 10), Instant::now());
        counts.add(&'a', 1_000.0, now);
        assert!((3.99..4.01).contains(&counts.allowances(&'a', now)));
        counts.add(&'a', -1_000.0, now);
        assert_eq!(counts.wait(&'a', now), None);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let (mut counts, now) = (FailureCounts::new(10), Instant::now());
        for key in 0..2 * MAX_KEYS {
            counts.add(&key, 1.0, now);
        }
        assert!(counts.counts.len() <= MAX_KEYS);
    }
}
