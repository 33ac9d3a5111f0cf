//! `idle`: connections that do nothing. In the end each document has one move as a sign of life.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{cursors::CursorStage, pairs::OTHERS, run::Run, seats::Seats};
use crate::{
    driver::TokenSource,
    machine::{UsageWatch, rss_mib},
    measure::Promise,
    report::ScenarioOutcome,
};

const CONNECTIONS: usize = 5000;
const QUICK_CONNECTIONS: usize = 40;

/// Connections of one document.
const PER_DOCUMENT: usize = 10;

/// The time after which the server has settled.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let connections = run.options.connections(CONNECTIONS, QUICK_CONNECTIONS);
    let documents = connections.div_ceil(PER_DOCUMENT);
    let seats = Seats::audiences(documents, PER_DOCUMENT, TokenSource::CONNECTIONS_PER_USER);
    let cast = seats.cast(run, "").await?;
    let processes = run.deployment.processes();
    let empty = rss_mib(&processes).unwrap_or(0.0);

    let began = Instant::now();
    let stage = CursorStage::connect(run, &cast, &seats, &OTHERS).await?;
    let took = began.elapsed();
    let start = Instant::now() + if run.options.quick { Duration::ZERO } else { SETTLE };
    let usage = UsageWatch::start(processes, start, start + run.options.measured());
    let seconds = run.options.measured();
    stage.board.with_progress("idle", sleep_until(start + seconds)).await;
    let usage = usage.end().await;
    stage.close_off().await;

    let counts = stage.counts(0);
    let mut outcome = ScenarioOutcome { counts, usage, ..ScenarioOutcome::default() };
    outcome.set_size(documents, seats.0.len());
    let connected = seats.0.len() as f64;
    outcome.add_figure("connections", connected, "");
    outcome.add_figure("connections opened per second", connected / took.as_secs_f64(), "/s");
    if let Some(usage) = usage {
        let each = (usage.rss_mib - empty) * 1024.0 / connected;
        outcome.add_figure("memory of a connection", each, "KiB");
        outcome.add_figure(
            "server time per connection",
            usage.cpu_seconds * 1e6 / usage.over_seconds / connected,
            "µs/s",
        );
    }
    outcome.failures = counts.failures(Promise::Once);
    outcome.notes.extend(stage.board.first_fault());
    Ok(outcome)
}
