//! How soon a room locks its document again, when other nodes edit it as well.
//!
//! A node near the database could lock the document many times while a node farther away asks for it once. So a node
//! leaves others as much time as it has recently waited for them.

use std::time::Duration;

use tokio::time::Instant;

/// The longest pause before a document is locked again.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The pace at which a contended document is locked.
#[derive(Debug, Clone, Default)]
pub(crate) struct LockPace {
    /// The longest recent wait for the lock. Each shorter wait lowers it.
    wait: Duration,
    /// When the lock was last obtained.
    locked_at: Option<Instant>,
}

impl LockPace {
    /// Returns how long to wait before the document is locked again.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        let Some(locked_at) = self.locked_at else { return Duration::ZERO };
        self.wait.min(MAX_PAUSE).saturating_sub(now.duration_since(locked_at))
    }

    /// Notes that the lock was obtained after waiting for it.
    pub(crate) fn note_locked(&mut self, wait: Duration, now: Instant) {
        self.wait = wait.max(self.wait * 3 / 4);
        self.locked_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn others_get_as_much_time_as_was_waited_for_them() {
        let (mut pace, start) = (LockPace::default(), Instant::now());
        assert_eq!(pace.pause(start), Duration::ZERO, "nobody was waited for");
        pace.note_locked(millis(40), start);
        assert_eq!(pace.pause(start), millis(40));
        assert_eq!(pace.pause(start + millis(30)), millis(10));
        assert_eq!(pace.pause(start + millis(90)), Duration::ZERO);
    }

    #[test]
    fn a_long_wait_is_forgotten_step_by_step_and_never_slows_for_long() {
        let (mut pace, start) = (LockPace::default(), Instant::now());
        pace.note_locked(millis(4000), start);
        assert_eq!(pace.pause(start), MAX_PAUSE);
        for _ in 0..40 {
            pace.note_locked(millis(1), start);
        }
        assert_eq!(pace.pause(start), millis(1));
    }
}
