//! The id of a subscription's seat in a room.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// One subscription of one session. Unique in this process and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId(u64);

impl SeatId {
    /// Returns an id that no other seat of this process has.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "each call returns another id, so this is no default"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeatId({})", self.0)
    }
}

impl fmt::Display for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
