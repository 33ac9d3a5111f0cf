//! `edits`: two users in each document, who both edit it over GraphQL.

use super::{
    edit_stage::{EditStage, Protocol},
    load::Load,
    run::Run,
    seats::Seats,
};
use crate::{driver::Cast, measure::Promise, report::ScenarioOutcome, schedule::Schedule};

const DOCUMENTS: usize = 250;
const QUICK_DOCUMENTS: usize = 8;

/// Edits of each user per second.
const RATE: f64 = 1.0;
const QUICK_RATE: f64 = 4.0;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    run_over(run, Protocol::Graphql).await
}

/// Edits over one of the protocols.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run_over(run: &Run<'_>, protocol: Protocol) -> anyhow::Result<ScenarioOutcome> {
    let documents = run.options.documents(DOCUMENTS, QUICK_DOCUMENTS);
    let seats = Seats::pairs(documents, run.deployment.tokens.connections_per_user(1));
    let cast = seats.cast(run, "").await?;
    let rate = run.options.rate(RATE, QUICK_RATE);
    let (outcome, ()) = drive(run, &cast, &seats, (protocol, rate), async |_| ()).await?;
    Ok(outcome)
}

/// Connects seats and lets them edit, this often each second, while something else happens. Returns what was found, and the result of
/// that.
///
/// # Errors
/// The users cannot be connected, or the texts not be read.
pub(crate) async fn drive<T>(
    run: &Run<'_>,
    cast: &Cast,
    seats: &Seats,
    (protocol, rate): (Protocol, f64),
    meanwhile: impl AsyncFnOnce(Schedule) -> T,
) -> anyhow::Result<(ScenarioOutcome, T)> {
    let stage = EditStage::connect(run, cast, seats, protocol).await?;
    let load = Load::begin(run, &stage.board, seats.senders(), rate);
    let schedule = load.schedule;
    let both = async { tokio::join!(stage.drive(&schedule), meanwhile(schedule)) };
    let ((), result) = load.drive(both).await;
    stage.close_off().await?;

    let mut outcome = load.end().await;
    outcome.set_size(seats.documents(), seats.0.len());
    outcome.add_deliveries(&stage.board, &schedule);
    outcome.add_server_time("delivery", stage.board.delivered_in_time());
    outcome.counts = stage.counts(&schedule);
    // Edits of one author that are under way at the same time have no order over GraphQL.
    outcome.failures = outcome.counts.failures(match protocol {
        Protocol::Graphql => Promise::Once,
        Protocol::Yjs => Promise::OnceInOrder,
    });
    outcome.failures.extend(stage.check_texts(run).await?);
    Ok((outcome, result))
}
