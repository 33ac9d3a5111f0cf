//! Logs that changes of editors cannot be stored, so that an operator finds out and learns why.
//!
//! Editors are asked for such changes again and again, so only one line is written in each period.

use std::{error::Error, time::Duration};

use tokio::time::Instant;

use crate::{domain::DocumentId, editing::EditError, log_pace::LogPace};

/// The length of a period.
const PERIOD: Duration = Duration::from_secs(60);

/// The log of changes that cannot be stored, for all editors of this node.
#[derive(Debug)]
pub struct UnstoredLog(LogPace);

impl Default for UnstoredLog {
    fn default() -> Self {
        Self(LogPace::new(1, PERIOD))
    }
}

impl UnstoredLog {
    /// Logs that changes of a document cannot be stored at the moment, unless that was logged lately.
    pub(super) fn note(&self, document: DocumentId, error: &EditError) {
        let error: &dyn Error = error;
        match self.0.note(Instant::now()) {
            Some(unlogged) => {
                let unlogged = (unlogged > 0).then_some(unlogged);
                tracing::warn!(
                    document.id = %document,
                    error,
                    unlogged,
                    "changes of Yjs editors cannot be stored; the editors keep them and are asked for them again"
                );
            }
            None => tracing::debug!(error, "could not store the changes of an editor"),
        }
    }
}
