//! `flush`: agents store a batch each at the same moment, while one user types in the same document and another one watches.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep_until};

use super::{
    agent::Agent,
    cells,
    edit_stage::Protocol,
    edits,
    run::Run,
    seats::{Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{driver::TokenSource, measure::Latencies, report::ScenarioOutcome, schedule::Schedule};

const AGENTS: usize = 20;
const QUICK_AGENTS: usize = 4;

/// Cells of each batch. All batches together stay below `limits.document_structs`.
const CELLS: usize = 5_000;
const QUICK_CELLS: usize = 300;

/// Insertions per second of the person who types.
const RATE: f64 = 20.0;

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected, or a batch is refused.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let options = run.options;
    let agents = options.connections(AGENTS, QUICK_AGENTS);
    let per_agent = if options.quick { QUICK_CELLS } else { CELLS };
    let seats = seats(agents);
    let cast = seats.cast(run, "").await?;
    let batches: Vec<_> = (0..agents)
        .map(|agent| cells::updates(&format!("a{agent}-"), 0..per_agent, per_agent, options.cell))
        .collect();
    let targets = seats.targets(run, &cast);
    let connected = targets[2..].iter().cloned().map(connect);
    let agents = spread(connected, UNHURRIED).await?;

    let rate = options.rate(RATE, RATE);
    let people = Seats(seats.0[..2].to_vec());
    let flush = async |schedule: Schedule| {
        // In the first quarter of the measured part, so that its effects are measured as well.
        let moment = schedule.measured_from() + options.measured() / 4;
        flush(&agents, &batches, moment).await
    };
    let (mut outcome, flushed) =
        edits::drive(run, &cast, &people, (Protocol::Yjs, rate), flush).await?;
    let latencies = flushed?;
    let expected = per_agent * agents.len();
    drop(agents);
    let (_, state) = connect(targets[0].clone()).await?.state().await?;
    let found = cells::count(&state)?;

    outcome.set_size(1, seats.0.len());
    outcome.add_series("flush", latencies);
    outcome.add_figure("cells that were flushed", expected as f64, "");
    if found != expected {
        let sentence = format!("{found} of {expected} acknowledged cells are in the document.");
        outcome.failures.push(sentence);
    }
    Ok(outcome)
}

/// Returns two seats of a person, who types at the first and watches at the second, and the seats of agents of other users.
fn seats(agents: usize) -> Seats {
    let mut seats = Seats::audiences(1, agents + 2, TokenSource::CONNECTIONS_PER_USER);
    for (agent, seat) in seats.0.iter_mut().skip(2).enumerate() {
        seat.user = 1 + agent / TokenSource::CONNECTIONS_PER_USER;
    }
    seats
}

/// Connects an agent that has the document.
async fn connect(target: Target) -> anyhow::Result<Agent> {
    let agent = Agent::connect(&target).await?;
    agent.state().await?;
    Ok(agent)
}

/// Sends all batches at the same moment. Returns how long each took until it was stored.
async fn flush(
    agents: &[Agent],
    batches: &[Vec<Vec<u8>>],
    moment: Instant,
) -> anyhow::Result<Latencies> {
    sleep_until(moment).await;
    let stored = agents.iter().zip(batches).map(|(agent, batch)| agent.store(batch));
    let mut latencies = Latencies::default();
    for at in try_join_all(stored).await? {
        latencies.record(at.checked_duration_since(moment).unwrap_or(Duration::ZERO));
    }
    Ok(latencies)
}
