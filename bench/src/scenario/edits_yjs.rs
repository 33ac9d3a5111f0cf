//! `edits-yjs`: two Yjs editors in each document, who both edit it.

use super::{edit_stage::Protocol, edits, run::Run};
use crate::report::ScenarioOutcome;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    edits::run_over(run, Protocol::Yjs).await
}
