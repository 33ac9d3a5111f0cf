//! How a socket is kept alive and when it is given up.

use std::time::Duration;

use serde::Deserialize;

/// The section `session` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// How often a quiet client is pinged, more than 0.
    #[serde(with = "humantime_serde")]
    pub ping_every: Duration,
    /// How long nothing may be heard or taken; at least twice `ping_every`.
    #[serde(with = "humantime_serde")]
    pub silence_allowed: Duration,
    /// How long a client may take to say who it is, more than 0.
    #[serde(with = "humantime_serde")]
    pub init_within: Duration,
    /// Messages that may wait for a session, at least 1.
    pub mailbox: usize,
    /// How long before its token runs out a client is told; at most the life of a token.
    #[serde(with = "humantime_serde")]
    pub warn_before_expiry: Duration,
}
