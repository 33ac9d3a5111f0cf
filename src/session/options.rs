//! The options of sessions.

use std::time::Duration;

use serde::Deserialize;

/// The `[session]` section of the settings. `config/base.toml` explains each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// Interval between the pings to every client.
    #[serde(with = "humantime_serde")]
    pub ping_every: Duration,
    /// How long a client may send nothing.
    #[serde(with = "humantime_serde")]
    pub silence_allowed: Duration,
    /// How long a client may accept none of the frames that are queued for it.
    #[serde(with = "humantime_serde")]
    pub stall_allowed: Duration,
    /// Time from the upgrade to `connection_init`.
    #[serde(with = "humantime_serde")]
    pub init_within: Duration,
    /// How long before its token expires a client is warned.
    #[serde(with = "humantime_serde")]
    pub warn_before_expiry: Duration,
    /// Capacity of a session's mailbox, in messages. When it is full, senders wait.
    pub mailbox: usize,
}
