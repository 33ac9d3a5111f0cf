//! The settings for the shared roster.

use std::time::Duration;

use serde::Deserialize;

/// The `[roster]` section of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterOptions {
    /// How long a node counts as alive after it last renewed its lease. Then another node removes its
    /// sessions. The same on all nodes. At least 10 ms and 3 times `renew_every`, and more than twice
    /// `redis.answer_within`.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Interval between renewals of the lease. At least 10 ms.
    #[serde(with = "humantime_serde")]
    pub renew_every: Duration,
}
