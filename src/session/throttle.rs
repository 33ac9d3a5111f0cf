//! Rate limits.
//!
//! They use the generic cell rate algorithm of `governor`: a burst of one period's allowance, then a steady rate. The
//! state of a key is dropped once it equals that of a new key, so the number of keys that clients choose stays bounded
//! by the keys that are in use.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    middleware::StateInformationMiddleware,
};
use thiserror::Error;
use tokio::time::Instant;

use crate::editing::loader::MAX_INLINE_BYTES;

/// How long an action waits that may try again later. Short, compared with the second for which limits are set.
pub const RATE_LIMIT_WAIT: Duration = Duration::from_millis(20);

/// The longest time that an action waits so.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(10);

/// The bytes of a message that cost as much as an operation.
const MESSAGE_BYTES: usize = 8 * 1024;

/// The bytes of a text to parse that cost as much as an operation. Parsing them takes about as long.
const TEXT_BYTES: usize = 512;

/// Returns what an operation costs in a message of `bytes` bytes, whose text has `to_parse` bytes that have to be parsed: 1, and 1
/// more for each 8 KiB of the message and each 512 bytes of the text. What is over 64 KiB costs nothing here. It is read in
/// turns, and takes memory that is limited.
#[must_use]
pub fn cost_of_operation(bytes: usize, to_parse: usize) -> u32 {
    let more = bytes.min(MAX_INLINE_BYTES) / MESSAGE_BYTES + to_parse / TEXT_BYTES;
    u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
}

/// A rate limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Too many {what}: at most {allowed} per {period}. Wait a moment and try again.")]
pub struct Throttled {
    /// The limited actions, in the plural.
    pub what: &'static str,
    /// The number allowed per period.
    pub allowed: u32,
    /// The period.
    pub period: &'static str,
}

/// The rate limit of one session for one kind of action.
pub(super) struct Allowance {
    limiter: DefaultDirectRateLimiter,
    refusal: Throttled,
}

impl Allowance {
    /// Creates a limit of `allowed` actions per second; 0 counts as 1.
    pub(super) fn per_second(what: &'static str, allowed: u32) -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(at_least_one(allowed)));
        Self { limiter, refusal: Throttled { what, allowed, period: "second" } }
    }

    /// Spends one action.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn take(&self) -> Result<(), Throttled> {
        self.limiter.check().map_err(|_not_until| self.refusal)
    }
}

/// Rate limits of many users or addresses, by key.
pub struct Throttle<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K, StateInformationMiddleware>,
    refusal: Throttled,
    /// When this many keys have state, those that equal new keys are dropped.
    sweep_at: AtomicUsize,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// Below this many keys a sweep is not worth its time.
    const SWEEP_FROM: usize = 1_024;

    /// Creates limits of `allowed` actions per second for each key; 0 counts as 1.
    #[must_use]
    pub fn per_second(what: &'static str, allowed: u32) -> Self {
        let refusal = Throttled { what, allowed, period: "second" };
        Self::new(Quota::per_second(at_least_one(allowed)), refusal)
    }

    /// Creates limits of `allowed` actions per minute for each key; 0 counts as 1.
    #[must_use]
    pub fn per_minute(what: &'static str, allowed: u32) -> Self {
        let refusal = Throttled { what, allowed, period: "minute" };
        Self::new(Quota::per_minute(at_least_one(allowed)), refusal)
    }

    /// Creates limits of `allowed` actions per hour for each key; 0 counts as 1.
    #[must_use]
    pub fn per_hour(what: &'static str, allowed: u32) -> Self {
        let refusal = Throttled { what, allowed, period: "hour" };
        Self::new(Quota::per_hour(at_least_one(allowed)), refusal)
    }

    /// Creates limits of `allowed` actions per second for each key, of which `burst` may come at once; 0 counts as 1.
    pub(super) fn with_burst(what: &'static str, allowed: u32, burst: u32) -> Self {
        let quota = Quota::per_second(at_least_one(allowed)).allow_burst(at_least_one(burst));
        Self::new(quota, Throttled { what, allowed, period: "second" })
    }

    fn new(quota: Quota, refusal: Throttled) -> Self {
        let limiter = RateLimiter::keyed(quota).with_middleware();
        Self { limiter, refusal, sweep_at: AtomicUsize::new(Self::SWEEP_FROM) }
    }

    /// Spends one action of `key`.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub fn take(&self, key: &K) -> Result<(), Throttled> {
        self.spend(key).map(drop)
    }

    /// Spends one action of `key` as soon as one is left. It asks again and again, so only few of a key should wait.
    ///
    /// # Errors
    /// [`Throttled`] if none was left for 10 s.
    ///
    /// # Cancel safety
    /// No action is spent.
    pub async fn wait(&self, key: &K) -> Result<(), Throttled> {
        let deadline = Instant::now() + MAX_RATE_LIMIT_WAIT;
        loop {
            match self.take(key) {
                Err(throttled) if Instant::now() >= deadline => return Err(throttled),
                Err(_wait) => tokio::time::sleep(RATE_LIMIT_WAIT).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Spends one action of `key`. Returns how many more it could spend at once.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub(super) fn spend(&self, key: &K) -> Result<u32, Throttled> {
        let state = self.limiter.check_key(key).map_err(|_not_until| self.refusal)?;
        self.sweep();
        Ok(state.remaining_burst_capacity())
    }

    /// Spends `cost` actions of `key` together, but not more than it has when it is new; 0 counts as 1.
    ///
    /// # Errors
    /// [`Throttled`] if fewer are left.
    pub fn take_many(&self, key: &K, cost: u32) -> Result<(), Throttled> {
        let cost = at_least_one(cost.min(self.refusal.allowed));
        match self.limiter.check_key_n(key, cost) {
            Ok(Ok(_state)) => self.sweep(),
            Ok(Err(_not_until)) => return Err(self.refusal),
            Err(_more_than_a_burst) => return Err(self.refusal),
        }
        Ok(())
    }

    /// Spends what an action of `key` costs more than the one that has been taken for it, but not more than was left then if the
    /// key was new.
    ///
    /// # Errors
    /// [`Throttled`] if less is left.
    pub fn take_rest(&self, key: &K, cost: u32) -> Result<(), Throttled> {
        match cost.min(self.refusal.allowed).saturating_sub(1) {
            0 => Ok(()),
            rest => self.take_many(key, rest),
        }
    }

    /// Drops the state of keys that equal new ones, now and then.
    fn sweep(&self) {
        if self.limiter.len() >= self.sweep_at.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            let next = (self.limiter.len() * 2).max(Self::SWEEP_FROM);
            self.sweep_at.store(next, Ordering::Relaxed);
        }
    }
}

fn at_least_one(allowed: u32) -> NonZeroU32 {
    NonZeroU32::new(allowed).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_refusal_names_the_limit() {
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

    #[test]
    fn a_cost_above_the_limit_takes_all_of_it() {
        let throttle = Throttle::per_minute("requests", 3);
        throttle.take_many(&"alice", 2).unwrap();
        throttle.take_many(&"alice", 2).unwrap_err();
        throttle.take(&"alice").unwrap();
        throttle.take_many(&"bob", 100).unwrap();
        throttle.take(&"bob").unwrap_err();
    }

    #[test]
    fn the_rest_of_a_cost_fits_a_new_key_and_is_taken_once() {
        let throttle = Throttle::per_minute("requests", 3);
        throttle.take(&"alice").unwrap();
        throttle.take_rest(&"alice", 9).unwrap();
        throttle.take(&"alice").unwrap_err();
        throttle.take(&"bob").unwrap();
        throttle.take_rest(&"bob", 1).unwrap();
        throttle.take_rest(&"bob", 3).unwrap();
        throttle.take_rest(&"bob", 2).unwrap_err();
    }

    #[test]
    fn operations_cost_more_the_longer_they_are() {
        let of_bytes = [0, 8_191, 8_192, 65_535, 65_536, 10_000_000];
        assert_eq!(of_bytes.map(|bytes| cost_of_operation(bytes, 0)), [1, 1, 2, 8, 9, 9]);
        let of_texts = [0, 511, 512, 10_240, 65_536];
        assert_eq!(of_texts.map(|bytes| cost_of_operation(bytes, bytes)), [1, 1, 2, 22, 137]);
    }
}
