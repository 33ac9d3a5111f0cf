//! `pairs`: two users in each document, who move their cursors.

use super::{cursors::CursorStage, run::Run, seats::Seats};
use crate::{
    driver::{Cast, Operation},
    machine::UsageWatch,
    measure::Promise,
    report::Outcome,
    schedule::Schedule,
};

const DOCUMENTS: usize = 500;
const QUICK_DOCUMENTS: usize = 10;

/// Moves of each user per second.
const RATE: f64 = 5.0;

/// The subscriptions of a client that shows a document, besides that to cursors.
pub(crate) const OTHERS: [(&str, Operation); 2] =
    [("presence", Operation::PRESENCE), ("changes", Operation::NEW_CHANGES)];

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<Outcome> {
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
    others: &[(&str, Operation)],
    rate: f64,
) -> anyhow::Result<Outcome> {
    let options = run.options;
    let stage = CursorStage::connect(run, cast, seats, others).await?;
    let rate = options.rate(rate, rate);
    let schedule = Schedule::plan(seats.senders(), rate, options.warmup(), options.measured());
    stage.board.begin(schedule);
    let processes = run.deployment.processes();
    let usage = UsageWatch::start(processes, schedule.measured_from(), schedule.end());
    stage.board.with_progress(&options.scenario.label(), stage.drive(&schedule)).await;

    let mut outcome = Outcome::default();
    outcome.add_load(&stage.board, &schedule, usage.end().await);
    outcome.add_server_time("delivery", stage.board.delivered_in_time());
    let mut counts = stage.counts(schedule.per_sender());
    counts.unanswered = schedule.events().saturating_sub(stage.board.answer_count());
    outcome.failures = counts.failures(Promise::Once);
    outcome.counts = counts;
    Ok(outcome)
}
