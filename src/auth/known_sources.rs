//! The sources from which a user has signed in to an account.

use std::collections::VecDeque;

use quick_cache::unsync::Cache;

/// The most accounts with known sources. Of more, those used least are forgotten.
const MAX_ACCOUNTS: usize = 50_000;

/// The most sources of an account, the last ones that were used. One account must not make the sources of others be forgotten.
const MAX_SOURCES: usize = 8;

/// The sources of each account, by the keys of both.
pub(super) struct KnownSources(Cache<u64, VecDeque<u64>>);

impl KnownSources {
    /// Returns an empty memory.
    pub(super) fn new() -> Self {
        Self(Cache::new(MAX_ACCOUNTS))
    }

    /// Returns whether a user has signed in to the account from this source.
    pub(super) fn include(&self, account: u64, source: u64) -> bool {
        self.0.get(&account).is_some_and(|sources| sources.contains(&source))
    }

    /// Notes that a user has signed in to the account from this source.
    pub(super) fn note(&mut self, account: u64, source: u64) {
        let mut sources = self.0.get(&account).cloned().unwrap_or_default();
        sources.retain(|known| *known != source);
        sources.push_front(source);
        sources.truncate(MAX_SOURCES);
        self.0.insert(account, sources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_the_sources_that_were_used_last() {
        let mut known = KnownSources::new();
        for source in 0..8 {
            known.note(1, source);
        }
        known.note(1, 0);
        known.note(1, 100);
        assert!(known.include(1, 0) && known.include(1, 100));
        assert!(!known.include(1, 1) && !known.include(2, 0));
    }
}
