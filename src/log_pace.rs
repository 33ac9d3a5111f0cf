//! Limits the lines of events that clients or failures can cause any number of times.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Decides which events of one kind are logged: a few in each period. The next line states how many had none.
#[derive(Debug)]
pub struct LogPace {
    /// The most lines in one period.
    max_lines: u32,
    period: Duration,
    state: Mutex<PaceState>,
}

#[derive(Debug, Default)]
struct PaceState {
    period_began: Option<Instant>,
    /// The lines in this period.
    lines: u32,
    /// The events without a line since the last line.
    unlogged: u64,
}

impl LogPace {
    /// Returns the pace for events that strangers cause: 20 lines in 10 s.
    #[must_use]
    pub fn of_strangers() -> Self {
        Self::new(20, Duration::from_secs(10))
    }

    /// Returns a pace of at most `max_lines` lines in each `period`.
    #[must_use]
    pub fn new(max_lines: u32, period: Duration) -> Self {
        Self { max_lines, period, state: Mutex::default() }
    }

    /// Counts an event at `now`. If it must be logged, returns the number of events before it that were not.
    pub fn note(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.period_began.is_none_or(|began| now >= began + self.period) {
            (state.period_began, state.lines) = (Some(now), 0);
        }
        if state.lines >= self.max_lines {
            state.unlogged += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_events_leaves_few_lines_and_a_count() {
        let start = Instant::now();
        let pace = LogPace::new(20, Duration::from_secs(10));
        let logged = (0..1_000).filter(|_| pace.note(start) == Some(0)).count();
        assert_eq!(logged, 20);

        let later = start + Duration::from_secs(10);
        assert_eq!(pace.note(later), Some(980));
        assert_eq!(pace.note(later), Some(0));
    }
}
