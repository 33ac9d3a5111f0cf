//! What keys, such as users, may do within an hour.
//!
//! It uses the generic cell rate algorithm, like the rate limits of `session`. Two things are different: an amount can be
//! charged when it is known, after the fact, and it can be asked what is left. After a large charge a key may owe more than
//! its allowance; it is then refused until that is paid off by time.

use std::{collections::HashMap, hash::Hash, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{QuotaExceeded, QuotaKind};

const HOUR: Duration = Duration::from_hours(1);

/// The longest time that a key may owe, whatever it is charged.
const MAX_DEBT: Duration = Duration::from_hours(24);

/// Below this many keys a sweep is not worth its time.
const SWEEP_FROM: usize = 1_024;

/// How much of an allowance is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowanceUse {
    /// What was used and is not paid off yet.
    pub used: u64,
    /// The allowance of an hour.
    pub limit: u64,
    /// When the whole allowance is free again, if nothing more is used.
    pub resets_after: Duration,
}

/// Allowances of keys, each as large per hour.
#[derive(Debug)]
pub struct HourlyAllowance<K> {
    kind: QuotaKind,
    limit: u64,
    /// When everything that a key has used is paid off. Only keys for which that is in the future.
    paid_at: Mutex<Keys<K>>,
}

#[derive(Debug)]
struct Keys<K> {
    paid_at: HashMap<K, Instant>,
    /// When there are this many keys, those that owe nothing are dropped.
    sweep_at: usize,
}

impl<K: Hash + Eq + Clone> HourlyAllowance<K> {
    /// Creates allowances of `limit` per hour for each key; 0 counts as 1.
    #[must_use]
    pub fn new(kind: QuotaKind, limit: u64) -> Self {
        let keys = Keys { paid_at: HashMap::new(), sweep_at: SWEEP_FROM };
        Self { kind, limit: limit.max(1), paid_at: Mutex::new(keys) }
    }

    /// Checks that a key has something left, without using it.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if nothing is left at `now`.
    pub fn check(&self, key: &K, now: Instant) -> Result<(), QuotaExceeded> {
        self.admit(self.used(key, now))
    }

    /// Uses one of a key.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if none is left at `now`.
    pub fn take(&self, key: &K, now: Instant) -> Result<(), QuotaExceeded> {
        let mut keys = self.paid_at.lock();
        self.admit(self.use_at(keys.paid_at.get(key), now))?;
        self.add(&mut keys, key, 1, now);
        Ok(())
    }

    /// Charges a key, also with more than it has left.
    pub fn charge(&self, key: &K, amount: u64, now: Instant) {
        self.add(&mut self.paid_at.lock(), key, amount, now);
    }

    /// Returns how much a key has used.
    pub fn used(&self, key: &K, now: Instant) -> AllowanceUse {
        self.use_at(self.paid_at.lock().paid_at.get(key), now)
    }

    fn use_at(&self, paid_at: Option<&Instant>, now: Instant) -> AllowanceUse {
        let owed = paid_at.map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now));
        let used = (owed.as_nanos() * u128::from(self.limit)).div_ceil(HOUR.as_nanos());
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        AllowanceUse { used, limit: self.limit, resets_after: owed }
    }

    fn admit(&self, present: AllowanceUse) -> Result<(), QuotaExceeded> {
        let AllowanceUse { used, limit, resets_after } = present;
        let owed = resets_after.saturating_add(self.time_for(1));
        if owed <= HOUR {
            return Ok(());
        }
        Err(QuotaExceeded { kind: self.kind, used, limit, retry_after: Some(owed - HOUR) })
    }

    /// Returns the time that pays off an amount. It is rounded down, so that the whole allowance takes an hour at most.
    fn time_for(&self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * HOUR.as_nanos() / u128::from(self.limit);
        u64::try_from(nanos).map_or(MAX_DEBT, Duration::from_nanos).min(MAX_DEBT)
    }

    fn add(&self, keys: &mut Keys<K>, key: &K, amount: u64, now: Instant) {
        let owed = self.use_at(keys.paid_at.get(key), now).resets_after;
        let owed = owed.saturating_add(self.time_for(amount)).min(MAX_DEBT);
        keys.paid_at.insert(key.clone(), now + owed);
        if keys.paid_at.len() >= keys.sweep_at {
            keys.paid_at.retain(|_, paid_at| *paid_at > now);
            keys.sweep_at = (keys.paid_at.len() * 2).max(SWEEP_FROM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 3_600;

    fn allowance() -> HourlyAllowance<u8> {
        HourlyAllowance::new(QuotaKind::ChangeBytes, LIMIT)
    }

    #[test]
    fn an_allowance_is_paid_off_by_time() {
        let (allowance, now) = (allowance(), Instant::now());
        allowance.charge(&1, LIMIT, now);
        let refused = allowance.check(&1, now).unwrap_err();
        assert_eq!((refused.used, refused.limit), (LIMIT, LIMIT));
        assert_eq!(refused.retry_after_seconds(), Some(1));
        allowance.check(&2, now).unwrap();

        let later = now + Duration::from_mins(30);
        allowance.check(&1, later).unwrap();
        let half = AllowanceUse { used: 1_800, limit: LIMIT, resets_after: HOUR / 2 };
        assert_eq!(allowance.used(&1, later), half);
    }

    #[test]
    fn a_charge_above_the_allowance_is_owed() {
        let (allowance, now) = (allowance(), Instant::now());
        allowance.charge(&1, 3 * LIMIT, now);
        let refused = allowance.check(&1, now).unwrap_err();
        assert_eq!(refused.retry_after_seconds(), Some(2 * 3_600 + 1));
        allowance.check(&1, now + refused.retry_after.unwrap()).unwrap();
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let allowance = HourlyAllowance::new(QuotaKind::ChangeBytes, 2);
        let now = Instant::now();
        allowance.take(&1, now).unwrap();
        allowance.take(&1, now).unwrap();
        for _ in 0..10 {
            let refused = allowance.take(&1, now).unwrap_err();
            assert_eq!(refused.retry_after, Some(Duration::from_mins(30)));
        }
        let moment = Duration::from_millis(1);
        let refused = allowance.take(&1, now + moment).unwrap_err();
        assert_eq!(
            (refused.used, refused.retry_after),
            (2, Some(Duration::from_mins(30) - moment))
        );
        allowance.take(&1, now + Duration::from_mins(30)).unwrap();
    }

    #[test]
    fn the_whole_allowance_may_be_used_at_once() {
        for limit in [1, 3, 7, 11, 1_000_003] {
            let allowance = HourlyAllowance::new(QuotaKind::Grants, limit);
            let now = Instant::now();
            allowance.charge(&1, limit - 1, now);
            allowance.take(&1, now).unwrap();
            assert!(allowance.take(&1, now).is_err() && allowance.used(&1, now).used <= limit);
        }
    }

    #[test]
    fn keys_that_owe_nothing_are_dropped() {
        let allowance = HourlyAllowance::new(QuotaKind::ChangeBytes, LIMIT);
        let now = Instant::now();
        for key in 0..10_000_u32 {
            allowance.charge(&key, 1, now + Duration::from_secs(u64::from(key) * 2));
        }
        assert!(allowance.paid_at.lock().paid_at.len() <= SWEEP_FROM);
    }
}
