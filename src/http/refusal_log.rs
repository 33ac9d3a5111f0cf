//! Logs refused WebSocket upgrades, so that an operator sees why clients cannot connect.
//!
//! Anyone can cause refusals, so only a few lines are written in each period. The next line states how many refusals had
//! none.

use tokio::time::Instant;

use super::HttpError;
use crate::log_pace::LogPace;

/// The log of refused upgrades of this node.
#[derive(Debug)]
pub struct RefusalLog(LogPace);

impl Default for RefusalLog {
    fn default() -> Self {
        Self(LogPace::of_strangers())
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
