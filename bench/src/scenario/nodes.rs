//! `nodes`: `pairs`, with the two users of a document on two nodes. Every cursor goes through the relay.

use super::{pairs, run::Run};
use crate::report::ScenarioOutcome;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    pairs::run(run).await
}
