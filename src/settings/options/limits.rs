//! How much of everything one client may have.

use serde::Deserialize;

/// The section `limits` of the settings. None is 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sessions of one user at the same time.
    pub connections_per_user: u32,
    /// Operations that one session has running.
    pub operations_in_flight: usize,
    /// Subscriptions that one session has open.
    pub subscriptions: usize,
    /// The largest frame, in bytes.
    pub frame: usize,
    /// The largest message, in bytes; at least `frame`.
    pub message: usize,
    /// What a session may send before it was acknowledged, in bytes; at least 16 KiB.
    pub unauthenticated_bytes: usize,
    /// The largest text of a document, in bytes of UTF-8; at most 256 MiB.
    pub document: usize,
    /// Cursor moves of one session in a second.
    pub cursors_per_second: u32,
    /// Changes by one session in a second.
    pub edits_per_second: u32,
    /// Operations of one user in a second, over all sessions and requests of this node.
    pub operations_per_second: u32,
    /// Tries to sign in with one e-mail address in a minute.
    pub sign_ins_per_minute: u32,
    /// The longest text of an operation, in bytes; at most `message`.
    pub operation_text: usize,
    /// How deep an operation may be nested.
    pub operation_depth: usize,
    /// How complex an operation may be, one for each field.
    pub operation_complexity: usize,
    /// How many parsed operations are remembered.
    pub operation_cache_entries: usize,
    /// How much the texts of remembered operations take together, in bytes.
    pub operation_cache_bytes: usize,
}
