//! What operators may set about rooms.

use std::time::Duration;

use serde::Deserialize;

/// The `[room]` section of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOptions {
    /// How long a room without members stays open: a page reload leaves and rejoins within a second.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How many messages may wait for a room. A cursor beyond is dropped; everything else waits its turn.
    pub mailbox: usize,
    /// How many changes may wait for the one that is being stored. One more is refused as UNAVAILABLE.
    pub edits_waiting: usize,
    /// How many bytes of text those may bring together; one alone may be as large as a document.
    pub edits_waiting_bytes: usize,
    /// How long applying one change to a text may take, off the threads that serve sockets.
    #[serde(with = "humantime_serde")]
    pub apply_within: Duration,
    /// After how many changes a snapshot is kept, so that opening the document need not read all of them.
    pub snapshot_every: u32,
    /// How often what is known of open documents is compared with what the store has, where other nodes may write to it.
    #[serde(with = "humantime_serde")]
    pub compare_every: Duration,
    /// After the roster forgot who is on other nodes, how long these have to enter their sessions again.
    #[serde(skip)]
    pub settle: Duration,
    /// How many bytes of changes an edit may be rebased over; one that was written for an older text is refused.
    pub rebase_bytes: usize,
    /// How many texts may be read from the store at the same time, in all rooms; the next ones wait. From 1 (0 counts as
    /// 1).
    pub texts_at_once: usize,
    /// How often Yjs editors are told again who is here.
    #[serde(with = "humantime_serde")]
    pub awareness_every: Duration,
    /// How many bytes of the last changes a room keeps in memory, for those who are a little behind.
    pub recent_bytes: usize,
}
