//! What operators may set about Redis.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

/// The `[redis]` section of the settings.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisOptions {
    /// Where it is, as [`RedisAddress`](super::Address) reads it; empty: there is none.
    #[serde(default)]
    pub url: String,
    /// A file with the certificates (PEM) of those who may sign the server's; none: those that the system trusts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How long it may take to answer, and to be connected to.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// What the names of all keys and channels begin with. Letters, digits, `-`, `_`, `.` and `:`.
    pub prefix: String,
    /// The newest version of envelopes that this node writes and reads.
    pub envelope_version: u8,
}

impl RedisOptions {
    /// Whether there is a Redis.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.url.is_empty()
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("is_set", &self.is_set())
            .field("ca", &self.ca)
            .field("answer_within", &self.answer_within)
            .field("prefix", &self.prefix)
            .field("envelope_version", &self.envelope_version)
            .finish()
    }
}
