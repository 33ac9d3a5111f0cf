//! How often somebody may do something.
//!
//! The generic cell rate algorithm, from `governor`: a burst of one period's allowance, then a steady rate. State
//! per key is dropped again once it is as good as new, so keys that strangers choose do not pile up.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use thiserror::Error;

/// Somebody did something too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Too many {what}: at most {allowed} per {period}. Wait a moment and try again.")]
pub struct Throttled {
    /// What was done too often, in the plural.
    pub what: &'static str,
    /// How often it may be done.
    pub allowed: u32,
    /// In which period.
    pub period: &'static str,
}

/// The allowance of one session for one thing.
pub(super) struct Allowance {
    limiter: DefaultDirectRateLimiter,
    refusal: Throttled,
}

impl Allowance {
    /// `allowed` (at least one) a second.
    pub(super) fn per_second(what: &'static str, allowed: u32) -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(at_least_one(allowed)));
        Self { limiter, refusal: Throttled { what, allowed, period: "second" } }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`Throttled`].
    pub(super) fn take(&self) -> Result<(), Throttled> {
        self.limiter.check().map_err(|_not_until| self.refusal)
    }
}

/// The allowances of many, by key.
pub struct Throttle<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    refusal: Throttled,
    /// When the state of this many keys is kept, those that are as good as new are dropped.
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    const SWEEP_FROM: usize = 1_024;

    /// `allowed` (at least one) a second for each key.
    #[must_use]
    pub fn per_second(what: &'static str, allowed: u32) -> Self {
        let refusal = Throttled { what, allowed, period: "second" };
        Self::new(Quota::per_second(at_least_one(allowed)), refusal)
    }

    /// `allowed` (at least one) a minute for each key.
    #[must_use]
    pub fn per_minute(what: &'static str, allowed: u32) -> Self {
        let refusal = Throttled { what, allowed, period: "minute" };
        Self::new(Quota::per_minute(at_least_one(allowed)), refusal)
    }

    fn new(quota: Quota, refusal: Throttled) -> Self {
        let limiter = RateLimiter::keyed(quota);
        Self { limiter, refusal, sweep_at: AtomicUsize::new(Self::SWEEP_FROM) }
    }

    /// Takes one of the allowance of `key`.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn take(&self, key: &K) -> Result<(), Throttled> {
        self.limiter.check_key(key).map_err(|_not_until| self.refusal)?;
        if self.limiter.len() >= self.sweep_at.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            let next = (self.limiter.len() * 2).max(Self::SWEEP_FROM);
            self.sweep_at.store(next, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn at_least_one(allowed: u32) -> NonZeroU32 {
    NonZeroU32::new(allowed).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_the_allowance_passes_and_one_more_is_refused_in_words() {
        let throttle = Throttle::per_minute("attempts to sign in", 3);
        for _ in 0..3 {
            throttle.take(&"alice").unwrap();
        }
        let refused = throttle.take(&"alice").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Too many attempts to sign in: at most 3 per minute. Wait a moment and try again."
        );
        throttle.take(&"bob").unwrap();
    }
}
