//! The settings of rooms.

use std::time::Duration;

use serde::Deserialize;

/// The `[room]` section of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOptions {
    /// How long a room without members stays open. A page reload leaves and rejoins within a second.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// The capacity of a room's mailbox, in messages. When it is full, cursors, awareness and messages of other nodes are
    /// dropped (the latter are reconciled), and everything else waits.
    pub mailbox: usize,
    /// The most edits that wait for a commit. One more is refused with `UNAVAILABLE`.
    pub edits_waiting: usize,
    /// The most bytes of edits that wait for a commit. A single edit may be as large as a document.
    pub edits_waiting_bytes: usize,
    /// How long applying one edit to a large text may take, on a worker thread, before it is stopped.
    #[serde(with = "humantime_serde")]
    pub apply_within: Duration,
    /// How long the work of loading a document may take, on worker threads, before the document is closed off.
    #[serde(with = "humantime_serde")]
    pub load_within: Duration,
    /// The number of changes between snapshots, so that opening a document need not read its whole log.
    pub snapshot_every: u32,
    /// The percentage of the limits of a document's structs and clients from which on it is compacted when it is closed. 0 stands
    /// for never.
    pub compact_at: usize,
    /// How often open documents are compared with the store, where other nodes may write to it.
    #[serde(with = "humantime_serde")]
    pub compare_every: Duration,
    /// How long nodes have to enter their sessions again after the roster forgot them.
    #[serde(skip)]
    pub settle: Duration,
    /// The most bytes of changes that an edit is rebased over. An edit with an older base is refused.
    pub rebase_bytes: usize,
    /// The most large documents that are loaded at the same time, and the most large texts that are worked on; others wait. One
    /// user has at most a quarter. 0 counts as 1.
    pub texts_at_once: usize,
    /// How often Yjs editors are sent all awareness entries again.
    #[serde(with = "humantime_serde")]
    pub awareness_every: Duration,
    /// The most bytes of the last changes that a room keeps in memory for replays and rebases.
    pub recent_bytes: usize,
}
