//! `hot`: one user moves the cursor in front of many others.

use super::{pairs, run::Run, seats::Seats};
use crate::{
    driver::{Operation, TokenSource},
    report::ScenarioOutcome,
};

const LISTENERS: usize = 1000;
const QUICK_LISTENERS: usize = 30;

/// Moves per second.
const RATE: f64 = 10.0;

/// A document with a large audience: presence would bring every listener all others.
const OTHERS: [(&str, Operation); 1] = [("changes", Operation::NEW_CHANGES)];

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let listeners = run.options.connections(LISTENERS, QUICK_LISTENERS);
    let seats = Seats::audiences(1, listeners + 1, TokenSource::CONNECTIONS_PER_USER);
    let cast = seats.cast(run, "").await?;
    pairs::drive(run, &cast, &seats, &OTHERS, RATE).await
}
