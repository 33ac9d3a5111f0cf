//! Logs refused WebSocket upgrades, so that an operator sees why clients cannot connect.
//!
//! Anyone can cause refusals, so only a few lines are written in each period. The next line states how many refusals had
//! none.

use std::time::Duration;

use tokio::time::Instant;

use super::HttpError;
use crate::log_pace::LogPace;

/// The most lines in one period.
const MAX_LINES: u32 = 20;

/// The length of a period.
const PERIOD: Duration = Duration::from_secs(10);

/// The log of refused upgrades of this node.
#[derive(Debug)]
pub struct RefusalLog(LogPace);

impl Default for RefusalLog {
    fn default() -> Self {
        Self(LogPace::new(MAX_LINES, PERIOD))
    }
}

impl RefusalLog {
    /// Logs that an upgrade was refused, unless too many were lately. Names neither address nor token.
    pub(super) fn note(&self, error: &HttpError) {
        let Some(unlogged) = self.0.note(Instant::now()) else { return };
        let unlogged = (unlogged > 0).then_some(unlogged);
        tracing::info!(reason = error.label(), unlogged, "upgrade refused");
    }
}
