//! The settings of the store.

use std::time::Duration;

use serde::Deserialize;

/// Where the data is, and how long to wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreOptions {
    /// The database: `postgres://user:password@host/name`; `sqlite://path?mode=rwc` for a file, made with its folder if
    /// it is missing, or `sqlite::memory:` for one that is gone when the store is closed.
    #[serde(default)]
    pub url: String,
    /// How many connections read side by side, from 1 (0 counts as 1); with SQLite each is a thread and up to 2
    /// MiB of cache. A database in memory has one connection in all.
    pub readers: u32,
    /// How many connections write side by side, from 1 (0 counts as 1). SQLite has one, whatever this says.
    pub writers: u32,
    /// How long an operation waits for a free connection before it fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub acquire_within: Duration,
    /// How long a connection waits for another process that has the file, or the row, locked before
    /// the operation fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub busy_within: Duration,
    /// How long the database may take to answer before the operation fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// How soon after one commit of changes began the next may begin; what comes sooner is stored with it. 0 is as soon
    /// as the one before has ended.
    #[serde(with = "humantime_serde")]
    pub commit_every: Duration,
    /// In the history, changes of one author with a longer pause between them are two entries.
    #[serde(with = "humantime_serde")]
    pub history_pause: Duration,
    /// How long changes are kept.
    pub retention: Retention,
    /// How often what is older is forgotten.
    #[serde(with = "humantime_serde")]
    pub forget_every: Duration,
}

impl StoreOptions {
    /// Whether it is PostgreSQL: then there may be other nodes.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:") || self.url.starts_with("postgresql:")
    }
}

/// How long changes are kept: `"forever"`, or a duration as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Retention {
    /// Nothing is forgotten.
    Forever,
    /// What is older may be forgotten.
    For(Duration),
}

impl TryFrom<String> for Retention {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        humantime_serde::re::humantime::parse_duration(&text)
            .map(Self::For)
            .map_err(|error| format!("{error}: use \"forever\", or a duration like \"90d\""))
    }
}
