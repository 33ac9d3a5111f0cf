//! `large`: many editors open a large document at once, then one types in it and another watches.

use anyhow::ensure;
use tokio::time::Instant;

use super::{
    agent::Agent,
    cells,
    edit_stage::Protocol,
    edits,
    run::Run,
    seats::Seats,
    spread::{AT_ONCE, spread},
};
use crate::{driver::TokenSource, measure::Latencies, report::ScenarioOutcome};

/// Cells of the document: about 3 MB with cells of the default size.
const CELLS: usize = 100_000;
const QUICK_CELLS: usize = 3_000;
const CELLS_PER_UPDATE: usize = 10_000;

const EDITORS: usize = 100;
const QUICK_EDITORS: usize = 6;

/// Insertions per second.
const RATE: f64 = 50.0;
const QUICK_RATE: f64 = 20.0;

/// Runs the scenario.
///
/// # Errors
/// The document cannot be made or opened.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let options = run.options;
    let editors = options.connections(EDITORS, QUICK_EDITORS).max(2);
    let number = if options.quick { QUICK_CELLS } else { CELLS };
    let seats = Seats::audiences(1, editors, TokenSource::CONNECTIONS_PER_USER);
    let cast = seats.cast(run, "").await?;
    let targets = seats.targets(run, &cast);
    let filler = Agent::connect(&targets[0]).await?;
    filler.store(&cells::updates("r", 0..number, CELLS_PER_UPDATE, options.cell)).await?;
    drop(filler);

    let began = Instant::now();
    let opened =
        targets.into_iter().map(async |target| Agent::connect(&target).await?.state().await);
    let states = spread(opened, AT_ONCE).await?;
    let mut latencies = Latencies::default();
    states.iter().for_each(|(at, _)| latencies.record(*at - began));
    let size = states[0].1.len();
    ensure!(cells::count(&states[0].1)? == number, "an editor has not received all cells");
    let others = states.iter().filter(|(_, state)| state.len() != size).count();
    ensure!(others == 0, "{others} editors have received another state than the first one");
    drop(states);

    let rate = options.rate(RATE, QUICK_RATE);
    let people = Seats(seats.0[..2].to_vec());
    let (mut outcome, ()) =
        edits::drive(run, &cast, &people, (Protocol::Yjs, rate), async |_| ()).await?;
    outcome.set_size(1, editors);
    outcome.add_series("open at once", latencies);
    outcome.add_figure("size of the document", size as f64 / 1e6, "MB");
    outcome.add_figure("editors that opened it at once", editors as f64, "");
    Ok(outcome)
}
