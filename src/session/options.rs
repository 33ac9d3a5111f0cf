//! What operators may set about sessions.

use std::time::Duration;

use serde::Deserialize;

/// The `[session]` section of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// A quiet peer is pinged this often.
    #[serde(with = "humantime_serde")]
    pub ping_every: Duration,
    /// Nothing heard, or nothing taken, for this long ends the session.
    #[serde(with = "humantime_serde")]
    pub silence_allowed: Duration,
    /// From the upgrade to `connection_init`.
    #[serde(with = "humantime_serde")]
    pub init_within: Duration,
    /// How long before its token runs out a client is told.
    #[serde(with = "humantime_serde")]
    pub warn_before_expiry: Duration,
    /// How many messages may wait for a session's actor; senders wait for room.
    pub mailbox: usize,
}

/// The `[limits]` section of the settings: what one client may ask of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sockets that one user may have open, in the whole cluster.
    pub connections_per_user: usize,
    /// Operations of one session that are not answered yet.
    pub operations_in_flight: usize,
    /// Subscriptions that one session may have.
    pub subscriptions: usize,
    /// Bytes of one frame.
    pub frame: usize,
    /// Bytes of one message, all its fragments together.
    pub message: usize,
    /// Bytes that a client may send before it is admitted.
    pub unauthenticated_bytes: usize,
    /// Bytes (UTF-8) of a document's text.
    pub document: usize,
    /// Bytes of a document as Yjs holds it: its text, everything beside it, and what was deleted.
    pub document_state: usize,
    /// Structs of one Yjs update.
    pub update_structs: usize,
    /// Bytes of what a Yjs editor says of itself: its awareness.
    pub awareness: usize,
    /// Cursor moves of one session in a second.
    pub cursors_per_second: u32,
    /// Changes of one session in a second.
    pub edits_per_second: u32,
    /// Operations of one user in a second, over all sessions and requests on this node.
    pub operations_per_second: u32,
    /// Requests without a token from one address in a second.
    pub anonymous_per_second: u32,
    /// Attempts to sign in with one e-mail address in a minute.
    pub sign_ins_per_minute: u32,
    /// Bytes of an operation's text.
    pub operation_text: usize,
    /// How deep an operation may nest.
    pub operation_depth: usize,
    /// How many fields an operation may select, each counted as its lists make it.
    pub operation_complexity: usize,
    /// Parsed operations kept.
    pub operation_cache_entries: usize,
    /// Bytes of operation text kept in parsed form.
    pub operation_cache_bytes: usize,
}
