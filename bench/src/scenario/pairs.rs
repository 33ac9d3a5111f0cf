//! `pairs`: two users in each document, who move their cursors.

use super::{cursors::CursorStage, load::Load, run::Run, seats::Seats};
use crate::{
    driver::{Cast, Operation},
    measure::Promise,
    report::ScenarioOutcome,
};

const DOCUMENTS: usize = 500;
const QUICK_DOCUMENTS: usize = 10;

/// Moves of each user per second.
const RATE: f64 = 5.0;

/// How the latencies of cursors are to be read.
const REPLACED: &str =
    "a latency of a delivery is the time until the delivery, or until a newer cursor replaced it";

/// The subscriptions of a client that shows a document, besides that to cursors.
pub(crate) const OTHERS: [(&str, Operation); 2] =
    [("presence", Operation::PRESENCE), ("changes", Operation::NEW_CHANGES)];

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let documents = run.options.documents(DOCUMENTS, QUICK_DOCUMENTS);
    let per_user = run.deployment.tokens.connections_per_user(1);
    let seats = Seats::pairs(documents, per_user);
    let cast = seats.cast(run, "").await?;
    drive(run, &cast, &seats, &OTHERS, RATE).await
}

/// Connects seats and moves their cursors.
///
/// # Errors
/// The users cannot be connected.
pub(crate) async fn drive(
    run: &Run<'_>,
    cast: &Cast,
    seats: &Seats,
    others: &'static [(&'static str, Operation)],
    rate: f64,
) -> anyhow::Result<ScenarioOutcome> {
    let stage = CursorStage::connect(run, cast, seats, others).await?;
    let load = Load::begin(run, &stage.board, seats.senders(), run.options.rate(rate, rate));
    let schedule = load.schedule;
    load.drive(stage.drive(&schedule)).await;

    let mut outcome = load.end().await;
    outcome.set_size(seats.documents(), seats.0.len());
    outcome.add_deliveries(&stage.board, &schedule);
    outcome.add_server_time("delivery", stage.board.delivered_in_time());
    outcome.counts = stage.counts(schedule.per_sender());
    outcome.notes.push(REPLACED.to_owned());
    outcome.failures = outcome.counts.failures(Promise::Once);
    Ok(outcome)
}
