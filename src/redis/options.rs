//! The settings for Redis.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::wire::envelope::SIGNED_SINCE;

/// The `[redis]` section of the settings.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisOptions {
    /// Address of Redis, in the forms that [`RedisAddress`](super::RedisAddress) parses. Empty: the node
    /// does not use Redis.
    #[serde(default)]
    pub url: String,
    /// PEM file with the certificate authorities that may sign the server's certificate. `None`: those
    /// that the system trusts. Used only with TLS.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Time limit of a command and of an attempt to connect. At least 10 ms, less than half of
    /// `roster.lease`.
    #[serde(with = "humantime_serde")]
    pub answer_within: Duration,
    /// Prefix of all keys and channels, not empty: letters, digits, `-`, `_`, `.` and `:`.
    pub prefix: String,
    /// Newest envelope version that this node writes and reads, from
    /// [`OLDEST_VERSION`](crate::wire::envelope::OLDEST_VERSION) to
    /// [`NEWEST_VERSION`](crate::wire::envelope::NEWEST_VERSION).
    pub envelope_version: u8,
    /// Whether envelopes that are not signed are read as well, while nodes of a release before
    /// [`SIGNED_SINCE`] run. A node with an older `envelope_version` always reads them.
    pub accept_unsigned: bool,
}

impl RedisOptions {
    /// Returns whether the node uses Redis.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.url.is_empty()
    }

    /// Returns whether the node reads envelopes that are not signed.
    #[must_use]
    pub fn accepts_unsigned(&self) -> bool {
        self.accept_unsigned || self.envelope_version < SIGNED_SINCE
    }
}

/// Omits the URL, which may contain a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("is_set", &self.is_set())
            .field("ca", &self.ca)
            .field("answer_within", &self.answer_within)
            .field("prefix", &self.prefix)
            .field("envelope_version", &self.envelope_version)
            .field("accept_unsigned", &self.accept_unsigned)
            .finish()
    }
}
