//! The clocks of awareness. A client hears what is said under an id only if its clock is higher than the last that it
//! heard there, and it remembers that one over connections. So clocks must never go back, whatever is forgotten here.
//!
//! They begin with the time, which lasts over restarts and from node to node, and behind all that were given to somebody
//! who has gone from any room of this node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

/// 1 January 2026, in milliseconds since 1970: clocks count from then.
pub(in crate::room) const EPOCH_MS: i64 = 1_767_225_600_000;

/// How far apart two words of a client have to be for its clock not to run ahead of the time. With this 32 bits, which is
/// what all implementations of the protocol read, last until August 2039.
pub const AWARENESS_TICK: Duration = Duration::from_millis(100);

/// The clocks of a node.
#[derive(Debug, Clone, Default)]
pub(in crate::room) struct Clocks {
    /// The highest of those who have gone.
    highest: Arc<AtomicU32>,
}

impl Clocks {
    /// What a clock that begins has to be higher than.
    pub(in crate::room) fn floor(&self) -> u32 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Somebody has gone, whose clock this was.
    pub(in crate::room) fn keep(&self, last: u32) {
        self.highest.fetch_max(last, Ordering::Relaxed);
    }
}

/// A clock after `last`: the time, or one more.
pub(in crate::room) fn tick(last: u32, now: DateTime<Utc>) -> u32 {
    let since = u64::try_from(now.timestamp_millis() - EPOCH_MS).unwrap_or(0);
    let ticks = Duration::from_millis(since).as_millis() / AWARENESS_TICK.as_millis();
    let time = u32::try_from(ticks).unwrap_or(u32::MAX);
    last.saturating_add(1).max(time)
}
