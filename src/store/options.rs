//! The settings of the store: the section `store` of the configuration.

use std::{path::PathBuf, time::Duration};

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use serde::Deserialize;

use super::Quotas;

/// Which database to use, its connections, its deadlines, and how long changes are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreOptions {
    /// The database: `postgres://user:password@host/name`; `sqlite://path?mode=rwc` for a file, created with its folder
    /// if it is missing; or `sqlite::memory:` for a database that is lost when the store is closed.
    #[serde(default)]
    pub url: String,
    /// The number of connections for reading, at least 1 (0 counts as 1). With SQLite, each is a thread and up to 2 MiB
    /// of cache. A database in memory has one connection in total.
    pub readers: u32,
    /// The number of connections for writing, at least 3 (fewer count as 3): one commits edits, a third waits for locked
    /// documents, and the rest does all other writes. SQLite always uses one.
    pub writers: u32,
    /// How long an operation waits for its turn to write and then for a free connection, or a batch for its commit, before it
    /// fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub acquire_within: Duration,
    /// How long a statement waits for a lock of another process (SQLite) or transaction (PostgreSQL) before the
    /// operation fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub busy_within: Duration,
    /// How long the database may take to answer before the operation fails as unavailable.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// The shortest time from the start of one group commit to the start of the next. Batches that arrive earlier share
    /// the next one. With 0, it starts when the previous one has ended.
    #[serde(with = "humantime_serde")]
    pub commit_every: Duration,
    /// The longest pause between two changes of one history entry.
    #[serde(with = "humantime_serde")]
    pub history_pause: Duration,
    /// How long changes are kept although the owner of their document deletes its history. Clients may repeat an edit, or
    /// base one on an old version, for that long.
    #[serde(with = "humantime_serde")]
    pub history_kept: Duration,
    /// How long a deleted document stays in the bin of its owner, who can bring it back. With 0, it is purged soon.
    #[serde(with = "humantime_serde")]
    pub bin_kept: Duration,
    /// How long changes are kept.
    pub retention: Retention,
    /// How often changes that are older than `retention` are deleted.
    #[serde(with = "humantime_serde")]
    pub forget_every: Duration,
    /// What users may own and store. It stands in the section `limits`.
    #[serde(skip)]
    pub quotas: Quotas,
}

impl StoreOptions {
    /// Returns the path of the SQLite file. None for a database in memory or on a server.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let is_in_memory = self.url.contains(":memory:") || self.url.contains("mode=memory");
        if self.is_postgres() || is_in_memory {
            return None;
        }
        let file: SqliteConnectOptions = self.url.parse().ok()?;
        Some(file.get_filename().to_owned())
    }

    /// Whether the database is PostgreSQL, which other nodes may share.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:") || self.url.starts_with("postgresql:")
    }
}

/// How long changes are kept: `"forever"`, or a duration as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Retention {
    /// Changes are never deleted.
    Forever,
    /// Changes that are older than this may be deleted.
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
