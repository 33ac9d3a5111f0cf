//! What is kept of an issuer's keys, and when they are fetched again. Time is an argument.

use std::time::Duration;

use jsonwebtoken::DecodingKey;
use tokio::time::Instant;

use super::{IssuerOptions, SignatureAlgorithm, key_set::KeySet};

/// The times after which keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyTimes {
    every: Duration,
    stale: Duration,
    retry: Duration,
}

impl KeyTimes {
    pub(super) const fn of(options: &IssuerOptions) -> Self {
        Self { every: options.keys_every, stale: options.keys_stale, retry: options.keys_retry }
    }
}

/// The result of a search for keys.
pub(super) enum Lookup {
    /// These keys fit.
    Found {
        keys: Vec<DecodingKey>,
        /// Whether they should be fetched again meanwhile.
        is_refresh_due: bool,
    },
    /// No key fits, and there may be newer ones: fetch them.
    Fetch,
    /// No key fits, but a fetch has begun: wait for its end.
    Fetching,
    /// No key fits, and the keys are as new as they may be.
    Unknown,
    /// There are no keys that may be used, and the last attempt to fetch them was a moment ago.
    Failed,
}

/// The keys of an issuer.
pub(super) struct KeyCache {
    times: KeyTimes,
    /// The last keys, and when they were fetched.
    keys: Option<(KeySet, Instant)>,
    /// When the last fetch began.
    attempt: Option<Instant>,
    is_fetching: bool,
    /// How often keys were fetched.
    epoch: u64,
}

impl KeyCache {
    pub(super) const fn new(times: KeyTimes) -> Self {
        Self { times, keys: None, attempt: None, is_fetching: false, epoch: 0 }
    }

    /// Searches for the keys of a token.
    pub(super) fn look_up(
        &self,
        id: Option<&str>,
        algorithm: SignatureAlgorithm,
        now: Instant,
    ) -> Lookup {
        let usable =
            self.keys.as_ref().filter(|(_, at)| now.duration_since(*at) < self.times.stale);
        let (keys, is_old) = usable.map_or_else(Default::default, |(known, at)| {
            (known.find(id, algorithm), now.duration_since(*at) >= self.times.every)
        });
        let may_fetch = self.may_fetch(now);
        match usable {
            _ if !keys.is_empty() => Lookup::Found { keys, is_refresh_due: is_old && may_fetch },
            _ if may_fetch => Lookup::Fetch,
            _ if self.is_fetching => Lookup::Fetching,
            Some(_) => Lookup::Unknown,
            None => Lookup::Failed,
        }
    }

    /// Returns how often keys were fetched. What older keys have verified must be verified again after a change.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    fn may_fetch(&self, now: Instant) -> bool {
        let was_long_ago = |at| now.duration_since(at) >= self.times.retry;
        !self.is_fetching && self.attempt.is_none_or(was_long_ago)
    }

    /// Begins a fetch, and returns whether it may: none is in progress, and the last one began long enough ago.
    pub(super) fn begin_fetch(&mut self, now: Instant) -> bool {
        let may_fetch = self.may_fetch(now);
        if may_fetch {
            self.attempt = Some(now);
            self.is_fetching = true;
        }
        may_fetch
    }

    /// Ends a fetch. Keeps the older keys if it has brought none.
    pub(super) fn end_fetch(&mut self, keys: Option<KeySet>, now: Instant) {
        self.is_fetching = false;
        if let Some(keys) = keys {
            self.keys = Some((keys, now));
            self.epoch += 1;
        }
    }
}

#[cfg(test)]
#[path = "key_cache_tests.rs"]
mod tests;
