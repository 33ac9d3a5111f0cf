//! Which database, and how long to wait for it.

use std::time::Duration;

use serde::Deserialize;

/// The section `store` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreOptions {
    /// The database, as `sqlite:PATH`; none: `coscribe.db` in the data folder.
    pub url: Option<String>,
    /// Connections that read at the same time, at least 1.
    pub readers: u32,
    /// How long to wait for a connection, more than 0.
    #[serde(with = "humantime_serde")]
    pub acquire_within: Duration,
    /// How long to wait for another process that holds the database, more than 0.
    #[serde(with = "humantime_serde")]
    pub busy_within: Duration,
}
