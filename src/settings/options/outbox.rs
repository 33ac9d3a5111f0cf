//! How much may wait for a socket.

use serde::Deserialize;

/// The section `outbox` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxOptions {
    /// What may wait for one socket, in bytes; at least 64 KiB.
    pub bound: usize,
}
