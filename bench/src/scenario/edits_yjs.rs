//! `edits-yjs`: two Yjs editors in each document, who both edit it.

use super::{edit_stage::Protocol, edits, run::Run};
use crate::report::Outcome;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<Outcome> {
    edits::drive(run, Protocol::Yjs).await
}
