//! `edits`: two users in each document, who both edit it over GraphQL.

use super::{
    edit_stage::{EditStage, Protocol},
    run::Run,
    seats::Seats,
};
use crate::{machine::UsageWatch, measure::Promise, report::Outcome, schedule::Schedule};

const DOCUMENTS: usize = 250;
const QUICK_DOCUMENTS: usize = 8;

/// Edits of each user per second.
const RATE: f64 = 1.0;
const QUICK_RATE: f64 = 4.0;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<Outcome> {
    drive(run, Protocol::Graphql).await
}

/// Edits over one of the protocols.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn drive(run: &Run<'_>, protocol: Protocol) -> anyhow::Result<Outcome> {
    let options = run.options;
    let documents = options.documents(DOCUMENTS, QUICK_DOCUMENTS);
    let seats = Seats::pairs(documents, run.deployment.tokens.connections_per_user(1));
    let cast = seats.cast(run, "").await?;
    let stage = EditStage::connect(run, &cast, &seats, protocol).await?;

    let rate = options.rate(RATE, QUICK_RATE);
    let schedule = Schedule::plan(seats.senders(), rate, options.warmup(), options.measured());
    stage.board.begin(schedule);
    let processes = run.deployment.processes();
    let usage = UsageWatch::start(processes, schedule.measured_from(), schedule.end());
    stage.board.with_progress(&options.scenario.label(), stage.drive(&schedule)).await;

    let mut outcome = Outcome::default();
    outcome.add_load(&stage.board, &schedule, usage.end().await);
    outcome.add_server_time("delivery", stage.board.delivered_in_time());
    let counts = stage.counts(&schedule);
    // Edits of one author that are under way at the same time have no order over GraphQL.
    outcome.failures = counts.failures(match protocol {
        Protocol::Graphql => Promise::Once,
        Protocol::Yjs => Promise::OnceInOrder,
    });
    outcome.failures.extend(stage.check_texts(run, &cast).await?);
    outcome.counts = counts;
    Ok(outcome)
}
