//! How an open document behaves.

use std::time::Duration;

use serde::Deserialize;

/// The section `room` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOptions {
    /// How long a room without members stays open; 0 closes it at once.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// Messages that may wait for a room, at least 1.
    pub mailbox: usize,
    /// Changes that may wait to be stored, at least 1.
    pub edits_waiting: usize,
}
