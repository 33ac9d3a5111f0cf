//! The settings of the store.

use std::time::Duration;

use serde::Deserialize;

/// Where the data is, and how long to wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreOptions {
    /// The database: `sqlite://path?mode=rwc` for a file, made with its folder if it is missing, or
    /// `sqlite::memory:` for one that is gone when the store is closed.
    #[serde(default)]
    pub url: String,
    /// How many connections read side by side, from 1 (0 counts as 1); each is a thread and up to 2
    /// MiB of cache. Writing has one of its own. A database in memory has one connection in all.
    pub readers: u32,
    /// How long an operation waits for a free connection before it fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub acquire_within: Duration,
    /// How long a connection waits for another process that has the file locked before the
    /// operation fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub busy_within: Duration,
}
