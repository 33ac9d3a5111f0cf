//! The clocks of awareness. A client hears what is said under an id only if its clock is higher than the last that it
//! heard there, and it remembers that one over connections. So clocks must never go back, whatever is forgotten here.
//!
//! They begin with the time, which lasts over restarts and from node to node, and behind all that were given to somebody
//! who has gone from any room of this node.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use chrono::{DateTime, Utc};

/// 1 January 2026, in milliseconds since 1970: clocks count from then.
pub(super) const EPOCH_MS: i64 = 1_767_225_600_000;

/// How far apart two words of a client are without its clock running ahead of the time: as fast as somebody types. With
/// this 32 bits, which is what all implementations of the protocol read, last until August 2039.
const TICK_MS: i64 = 100;

/// The clocks of a node.
#[derive(Debug, Clone, Default)]
pub(in crate::room) struct Clocks {
    /// The highest of those who have gone.
    highest: Arc<AtomicU32>,
}

impl Clocks {
    /// What a clock that begins has to be higher than.
    pub(super) fn floor(&self) -> u32 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Somebody has gone, whose clock this was.
    pub(super) fn keep(&self, last: u32) {
        self.highest.fetch_max(last, Ordering::Relaxed);
    }
}

/// A clock after `last`: the time, or one more.
pub(super) fn tick(last: u32, now: DateTime<Utc>) -> u32 {
    let ticks = (now.timestamp_millis() - EPOCH_MS).max(0) / TICK_MS;
    let time = u32::try_from(ticks).unwrap_or(u32::MAX);
    last.saturating_add(1).max(time)
}
