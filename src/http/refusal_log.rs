//! Logs refused WebSocket upgrades, so that an operator sees why clients cannot connect.
//!
//! Anyone can cause refusals, so only a few lines are written in each period. The next line states how many refusals had
//! none.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::HttpError;

/// The most lines in one period.
const MAX_LINES: u32 = 20;

/// The length of a period.
const PERIOD: Duration = Duration::from_secs(10);

/// The log of refused upgrades of this node.
#[derive(Debug, Default)]
pub struct RefusalLog(Mutex<RefusalPace>);

impl RefusalLog {
    /// Logs that an upgrade was refused, unless too many were lately. Names neither address nor token.
    pub(super) fn note(&self, error: &HttpError) {
        let Some(unlogged) = self.0.lock().note(Instant::now()) else { return };
        let unlogged = (unlogged > 0).then_some(unlogged);
        tracing::info!(reason = error.label(), unlogged, "upgrade refused");
    }
}

/// Decides which refusals are logged. Pure.
#[derive(Debug, Default)]
struct RefusalPace {
    period_began: Option<Instant>,
    /// The lines in this period.
    lines: u32,
    /// The refusals without a line since the last line.
    unlogged: u64,
}

impl RefusalPace {
    /// Counts a refusal at `now`. If it must be logged, returns the number of refusals before it that were not.
    fn note(&mut self, now: Instant) -> Option<u64> {
        if self.period_began.is_none_or(|began| now >= began + PERIOD) {
            (self.period_began, self.lines) = (Some(now), 0);
        }
        if self.lines >= MAX_LINES {
            self.unlogged += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_leaves_few_lines_and_a_count() {
        let start = Instant::now();
        let mut pace = RefusalPace::default();
        let logged = (0..1_000).filter(|_| pace.note(start) == Some(0)).count();
        assert_eq!(logged, MAX_LINES as usize);

        let later = start + PERIOD;
        assert_eq!(pace.note(later), Some(1_000 - u64::from(MAX_LINES)));
        assert_eq!(pace.note(later), Some(0));
    }
}
