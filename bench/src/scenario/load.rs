//! A load that follows a schedule, and what is measured meanwhile.

use std::sync::Arc;

use super::run::Run;
use crate::{machine::UsageWatch, measure::Board, report::ScenarioOutcome, schedule::Schedule};

/// A load that has begun.
pub(crate) struct Load {
    pub(crate) schedule: Schedule,
    board: Arc<Board>,
    usage: UsageWatch,
    /// The name of the scenario.
    name: String,
    /// Events per second of each sender.
    rate: f64,
}

impl Load {
    /// Begins a load of `rate` events per second of each of `senders`.
    pub(crate) fn begin(run: &Run<'_>, board: &Arc<Board>, senders: usize, rate: f64) -> Self {
        let options = run.options;
        let schedule = Schedule::plan(senders, rate, options.warmup(), options.measured());
        board.begin(schedule);
        let processes = run.deployment.processes();
        let usage = UsageWatch::start(processes, schedule.measured_from(), schedule.end());
        let name = options.scenario.label();
        Self { schedule, board: Arc::clone(board), usage, name, rate }
    }

    /// Does the work of the load, and prints how far it is.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        self.board.with_progress(&self.name, work).await
    }

    /// Waits for the end of the measured part. Returns what was measured.
    pub(crate) async fn end(self) -> ScenarioOutcome {
        let mut outcome = ScenarioOutcome { usage: self.usage.end().await, ..Default::default() };
        outcome.size.rate = Some(self.rate);
        outcome.add_figure("delay of the senders, p99", self.board.delay_p99(), "ms");
        outcome.notes.extend(self.board.first_fault());
        outcome
    }
}
