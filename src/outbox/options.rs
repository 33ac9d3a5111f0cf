//! What an operator may set about outboxes.

use serde::Deserialize;

/// The options of every outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxOptions {
    /// How much may wait for a session, in bytes. Past it, what can give way does, and the session's socket is no
    /// longer read. An empty outbox takes one frame of any size.
    pub bound: usize,
}
