//! Who may try to sign in now, and how soon (ADR 40).
//!
//! A source is the network of a client. Failures are counted for each source and for each pair of an account and a source,
//! so a wrong password never costs anybody at another source anything. A source from which a user has signed in to the
//! account is known to it: only the failures of the pair count there. If an account is attacked from many sources, unknown
//! ones have to wait and have fewer attempts. Right passwords refuse nobody, but more than a person needs have a worse rank.
//!
//! Accounts are told apart by their addresses, whether they exist or not, so nothing here tells.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;

use super::{
    failure_counts::FailureCounts,
    known_sources::KnownSources,
    passwords::{HashRank, HashTurn},
};
use crate::domain::{Email, Network};

/// The attempts of an hour that an unknown source has for an account that is attacked.
const ATTEMPTS_ON_ATTACKED: u32 = 3;

/// The longest wait before an attempt of an unknown source on an account that is attacked.
const MAX_DELAY_SECONDS: u32 = 4;

/// The number of failures up to which a source counts as quiet. A failure counts for half of its time.
const QUIET: f64 = 0.5;

/// The sign-ins of an hour to one account from one source that have the rank of a known source.
const KNOWN_SIGN_INS_OF_PAIR: u32 = 20;

/// The sign-ins of an hour from one source up to which it counts as quiet.
const QUIET_SIGN_INS_OF_SOURCE: u32 = 200;

/// The limits on failed attempts to sign in, for an hour each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInLimits {
    /// Of one source for one account.
    pub failures_of_pair: u32,
    /// Of one source.
    pub failures_of_source: u32,
    /// For one account, from sources that it does not know. With more it counts as attacked.
    pub failures_of_account: u32,
}

/// An attempt is refused before the password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "Too many failed attempts {what}: at most {allowed} per hour. Try again in {} s.",
    wait.as_secs() + 1
)]
pub struct TooManyFailures {
    /// The attempts that are counted.
    pub what: &'static str,
    /// The number allowed per hour.
    pub allowed: u32,
    /// How long it takes until another one is allowed.
    pub wait: Duration,
}

/// Counts the failed attempts of a node to sign in. Clones are the same counts.
#[derive(Clone)]
pub struct SignIns(Arc<Inner>);

struct Inner {
    hasher: RandomState,
    state: Mutex<State>,
}

struct State {
    sources: FailureCounts<u64>,
    pairs: FailureCounts<u64>,
    /// The failures from unknown sources, as `pairs`.
    unknown_pairs: FailureCounts<u64>,
    /// The failures from unknown sources.
    accounts: FailureCounts<u64>,
    /// The sign-ins with the right password. They cost a rank, and refuse nobody.
    sign_ins_of_pairs: FailureCounts<u64>,
    /// The same from each source.
    sign_ins_of_sources: FailureCounts<u64>,
    known: KnownSources,
    /// The attempts of each source that have begun and have no outcome.
    in_progress: HashMap<u64, usize>,
}

/// The keys under which an attempt counts: hashes with a secret of the process.
#[derive(Debug, Clone, Copy)]
struct AttemptKeys {
    account: u64,
    source: u64,
    pair: u64,
}

/// An attempt that may go on. It has to be settled; otherwise it counts as if it had never been made.
#[must_use]
pub struct SignInAttempt {
    counts: SignIns,
    keys: AttemptKeys,
    network: Option<Network>,
    rank: HashRank,
    delay: Duration,
}

impl SignIns {
    /// Returns counts of zero.
    #[must_use]
    pub fn new(limits: SignInLimits) -> Self {
        Self(Arc::new(Inner {
            hasher: RandomState::new(),
            state: Mutex::new(State {
                sources: FailureCounts::new(limits.failures_of_source),
                pairs: FailureCounts::new(limits.failures_of_pair),
                unknown_pairs: FailureCounts::new(
                    ATTEMPTS_ON_ATTACKED.min(limits.failures_of_pair),
                ),
                accounts: FailureCounts::up_to(MAX_DELAY_SECONDS, limits.failures_of_account),
                sign_ins_of_pairs: FailureCounts::new(KNOWN_SIGN_INS_OF_PAIR),
                sign_ins_of_sources: FailureCounts::new(QUIET_SIGN_INS_OF_SOURCE),
                known: KnownSources::new(),
                in_progress: HashMap::new(),
            }),
        }))
    }

    /// Begins an attempt to sign in to an account from a network, which is `None` if it is not known.
    ///
    /// # Errors
    /// The source has failed too often, with this account or at all.
    pub fn begin(
        &self,
        account: &Email,
        network: Option<Network>,
        now: Instant,
    ) -> Result<SignInAttempt, TooManyFailures> {
        let keys = self.keys(account, network);
        let mut state = self.0.state.lock();
        state.check(&keys, now)?;
        let rank = state.rank(&keys, now);
        let delay = state.delay(&keys, now);
        *state.in_progress.entry(keys.source).or_default() += 1;
        drop(state);
        Ok(SignInAttempt { counts: self.clone(), keys, network, rank, delay })
    }

    /// Checks that a network may still try whether an address has an account, as signing up does.
    ///
    /// # Errors
    /// It has failed too often.
    pub fn check_source(
        &self,
        network: Option<Network>,
        now: Instant,
    ) -> Result<(), TooManyFailures> {
        self.0.state.lock().check_source(self.0.hasher.hash_one(network), now)
    }

    /// Counts a failure of a network that is about no account in particular.
    pub fn count_failure(&self, network: Option<Network>, now: Instant) {
        self.0.state.lock().sources.add(&self.0.hasher.hash_one(network), 1.0, now);
    }

    /// Notes that the owner of an account is at a network.
    pub fn note_known(&self, account: &Email, network: Option<Network>) {
        let keys = self.keys(account, network);
        self.0.state.lock().known.note(keys.account, keys.source);
    }

    fn keys(&self, account: &Email, network: Option<Network>) -> AttemptKeys {
        let hasher = &self.0.hasher;
        AttemptKeys {
            account: hasher.hash_one(account),
            source: hasher.hash_one(network),
            pair: hasher.hash_one((account, network)),
        }
    }
}

impl State {
    fn check(&self, keys: &AttemptKeys, now: Instant) -> Result<(), TooManyFailures> {
        let of_pair = |counts: &FailureCounts<u64>| {
            counts.wait(&keys.pair, now).map(|wait| TooManyFailures {
                what: "to sign in to this account from your network",
                allowed: counts.per_hour(),
                wait,
            })
        };
        if let Some(refused) = of_pair(&self.pairs) {
            return Err(refused);
        }
        if self.knows(keys) {
            return Ok(());
        }
        self.check_source(keys.source, now)?;
        match of_pair(&self.unknown_pairs) {
            Some(refused) if self.is_attacked(keys, now) => Err(refused),
            Some(_) | None => Ok(()),
        }
    }

    fn check_source(&self, source: u64, now: Instant) -> Result<(), TooManyFailures> {
        match self.sources.wait(&source, now) {
            Some(wait) => Err(TooManyFailures {
                what: "to sign in or sign up from your network",
                allowed: self.sources.per_hour(),
                wait,
            }),
            None => Ok(()),
        }
    }

    fn knows(&self, keys: &AttemptKeys) -> bool {
        self.known.include(keys.account, keys.source)
    }

    fn is_attacked(&self, keys: &AttemptKeys, now: Instant) -> bool {
        self.accounts.allowances(&keys.account, now) >= 1.0
    }

    /// Returns the rank of an attempt in the queue of hashes.
    fn rank(&self, keys: &AttemptKeys, now: Instant) -> HashRank {
        let is_known = self.knows(keys) && self.sign_ins_of_pairs.wait(&keys.pair, now).is_none();
        let is_quiet = self.sources.count(&keys.source, now) <= QUIET
            && self.sign_ins_of_sources.wait(&keys.source, now).is_none()
            && !self.in_progress.contains_key(&keys.source);
        match (is_known, is_quiet) {
            (true, _) => HashRank::Known,
            (false, true) => HashRank::Quiet,
            (false, false) => HashRank::Suspect,
        }
    }

    /// Returns how long an attempt has to wait.
    fn delay(&self, keys: &AttemptKeys, now: Instant) -> Duration {
        if self.knows(keys) || !self.is_attacked(keys, now) {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.accounts.allowances(&keys.account, now))
    }
}

impl SignInAttempt {
    /// Waits if the account is attacked and does not know the source.
    ///
    /// # Cancel safety
    /// The attempt stays as it is.
    pub async fn delay(&self) {
        tokio::time::sleep(self.delay).await;
    }

    /// Returns the turn of this attempt in the queue of hashes.
    #[must_use]
    pub fn turn(&self) -> HashTurn {
        HashTurn { rank: self.rank, network: self.network }
    }

    /// Counts the outcome. Returns whether the client is signed in.
    ///
    /// # Errors
    /// Others that were tried at the same time have failed too often. Whether this one was right must not be told.
    pub fn settle(self, is_right: bool, now: Instant) -> Result<bool, TooManyFailures> {
        let keys = self.keys;
        let mut state = self.counts.0.state.lock();
        state.check(&keys, now)?;
        if is_right {
            state.known.note(keys.account, keys.source);
            state.sign_ins_of_pairs.add(&keys.pair, 1.0, now);
            state.sign_ins_of_sources.add(&keys.source, 1.0, now);
            return Ok(true);
        }
        let is_known = state.knows(&keys);
        state.pairs.add(&keys.pair, 1.0, now);
        state.sources.add(&keys.source, 1.0, now);
        if !is_known {
            state.unknown_pairs.add(&keys.pair, 1.0, now);
            state.accounts.add(&keys.account, 1.0, now);
        }
        Ok(false)
    }
}

impl Drop for SignInAttempt {
    fn drop(&mut self) {
        let mut state = self.counts.0.state.lock();
        if let Some(count) = state.in_progress.get_mut(&self.keys.source) {
            *count -= 1;
            if *count == 0 {
                state.in_progress.remove(&self.keys.source);
            }
        }
    }
}

#[cfg(test)]
#[path = "sign_ins_tests.rs"]
mod tests;
