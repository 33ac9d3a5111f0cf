//! The clocks of awareness entries.
//!
//! A Yjs client accepts an entry only if its clock is higher than the last one that it saw for the client id, and it
//! remembers that clock across connections. So clocks must never go back, even when the room forgets an entry or the client
//! moves to another node. They start from the time, which lasts over restarts, and above the clocks of all entries that this
//! node has removed. A node whose time is behind that of another node adopts the other's time for its clocks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

/// 1 January 2026, in milliseconds since 1970: clocks count from then.
pub(super) const EPOCH_MS: i64 = 1_767_225_600_000;

/// The least time between two updates of a client that keeps its clock from running ahead of the time. With this unit,
/// 32 bits, which all implementations of the protocol read, last until August 2039.
pub const AWARENESS_TICK: Duration = Duration::from_millis(100);

/// The most ticks by which a node's clocks run ahead of its time: an hour. A node whose time is wrong by more than that must
/// not use up the clocks of all others.
const MAX_AHEAD: u32 = 36_000;

/// The clocks used by this node.
#[derive(Debug, Clone, Default)]
pub(in crate::room) struct Clocks {
    /// The highest clock of an entry that was removed.
    highest: Arc<AtomicU32>,
    /// The number of ticks by which the time of another node is ahead of the time here.
    ahead: Arc<AtomicU32>,
}

impl Clocks {
    /// Returns the clock that a new entry must exceed.
    pub(super) fn floor(&self) -> u32 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Remembers the last clock of a removed entry.
    pub(super) fn keep(&self, last: u32) {
        self.highest.fetch_max(last, Ordering::Relaxed);
    }

    /// Notes the clock of an entry that another node has published now.
    pub(in crate::room) fn note_remote_clock(&self, clock: u32, now: DateTime<Utc>) {
        let ahead = clock.saturating_sub(ticks_at(now));
        if ahead <= MAX_AHEAD {
            self.ahead.fetch_max(ahead, Ordering::Relaxed);
        }
    }

    /// Notes the time of another node, which it has published now or, if it repeats a move, before.
    pub(in crate::room) fn note_remote_time(&self, time: DateTime<Utc>, now: DateTime<Utc>) {
        self.note_remote_clock(ticks_at(time), now);
    }

    /// Returns the clock after `last`: the time, or one more.
    pub(super) fn tick(&self, last: u32, now: DateTime<Utc>) -> u32 {
        let time = ticks_at(now).saturating_add(self.ahead.load(Ordering::Relaxed));
        last.saturating_add(1).max(time)
    }
}

/// Returns a time in ticks.
fn ticks_at(time: DateTime<Utc>) -> u32 {
    let since = u64::try_from(time.timestamp_millis() - EPOCH_MS).unwrap_or(0);
    let ticks = Duration::from_millis(since).as_millis() / AWARENESS_TICK.as_millis();
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
