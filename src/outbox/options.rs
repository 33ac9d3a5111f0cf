//! The options of outboxes.

use serde::Deserialize;

/// The section `outbox` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxOptions {
    /// Bytes that may be queued for one session. Beyond it, the session stops reading its socket, and
    /// [`Queue`](super::Queue) replaces, drops or removes frames by their class. An empty outbox accepts one frame of
    /// any size.
    pub bound: usize,
}
