//! What operators may set about the roster that nodes share.

use std::time::Duration;

use serde::Deserialize;

/// The `[roster]` section of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterOptions {
    /// How long a node that does not renew its lease counts as alive.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often it renews it.
    #[serde(with = "humantime_serde")]
    pub renew_every: Duration,
}
