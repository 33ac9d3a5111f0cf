//! What a scenario returns, and what is reported of it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    machine::{Hardware, Usage},
    measure::{Board, Counts, Latencies},
    schedule::Schedule,
    server::Versions,
};

/// A distribution with its name.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) latencies: Latencies,
}

/// A number with its name and unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// How large a load was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct LoadSize {
    pub(crate) documents: usize,
    /// Connections that were open at the same time. `None` if they come and go.
    pub(crate) connections: Option<usize>,
    /// Events per second of each sender. `None` without a schedule.
    pub(crate) rate: Option<f64>,
}

/// What a scenario found.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScenarioOutcome {
    /// Distributions, the most important one first.
    pub(crate) series: Vec<Series>,
    pub(crate) counts: Counts,
    pub(crate) size: LoadSize,
    /// Further numbers.
    pub(crate) figures: Vec<Figure>,
    /// What the server used, if it was started here.
    pub(crate) usage: Option<Usage>,
    /// Sentences about promises that the server broke. The run has failed if there is one.
    pub(crate) failures: Vec<String>,
    /// Sentences about what was left out.
    pub(crate) notes: Vec<String>,
}

/// An outcome with everything that is needed to compare it with others.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) hardware: Hardware,
    /// Where the load went.
    pub(crate) target: String,
    /// The versions of what was started here.
    pub(crate) versions: Versions,
    /// The profile with which this program was built, such as `release` or `debug`.
    pub(crate) profile: String,
    /// The same of the server, as far as its folder tells, if it was started here.
    pub(crate) server_profile: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) warmup_seconds: f64,
    /// Whether the numbers are the small ones of `--quick`.
    pub(crate) is_quick: bool,
    /// Threads that drove the load.
    pub(crate) threads: usize,
    /// Threads of each server, if it was started here.
    pub(crate) server_threads: Option<usize>,
    pub(crate) outcome: ScenarioOutcome,
}

impl ScenarioOutcome {
    /// Adds a distribution, unless it is empty.
    pub(crate) fn add_series(&mut self, name: &'static str, latencies: Latencies) {
        if latencies.count() > 0 {
            self.series.push(Series { name, latencies });
        }
    }

    /// Adds a number.
    pub(crate) fn add_figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }

    /// Notes how many documents and connections the load had.
    pub(crate) fn set_size(&mut self, documents: usize, connections: impl Into<Option<usize>>) {
        (self.size.documents, self.size.connections) = (documents, connections.into());
    }

    /// Adds the latencies of deliveries and answers, and how many deliveries arrived per second of the measured part.
    pub(crate) fn add_deliveries(&mut self, board: &Board, schedule: &Schedule) {
        let count = board.delivered_in_time() as f64;
        self.add_figure("deliveries per second", count / schedule.measured_seconds(), "/s");
        self.add_series("delivery", board.deliveries());
        self.add_series("answer", board.answers());
    }

    /// Adds the processor time that the server used in the measured part for each thing that arrived in it.
    pub(crate) fn add_server_time(&mut self, per: &str, arrived: u64) {
        if let Some(usage) = self.usage.filter(|_| arrived > 0) {
            let each = usage.cpu_seconds * 1e6 / arrived as f64;
            self.add_figure(format!("server time per {per}"), each, "µs");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn deliveries_count_where_they_arrive_not_where_they_were_due() {
        let schedule = Schedule::plan(1, 10.0, Duration::ZERO, Duration::from_secs(1000));
        let board = Board::default();
        board.begin(schedule);
        // In the measured part, and after it, as beyond saturation.
        board.arrived(schedule.measured_from());
        board.arrived(schedule.measured_from() + Duration::from_secs(1));
        board.arrived(schedule.end() + Duration::from_secs(1));
        assert!(Instant::now() < schedule.end());
        let usage = Usage { cpu_seconds: 4.0, over_seconds: 1000.0, ..Usage::default() };
        let mut outcome = ScenarioOutcome { usage: Some(usage), ..ScenarioOutcome::default() };
        outcome.add_deliveries(&board, &schedule);
        outcome.add_server_time("delivery", board.delivered_in_time());
        let value = |name: &str| outcome.figures.iter().find(|one| one.name == name).unwrap().value;
        assert!((value("deliveries per second") - 0.002).abs() < 1e-9);
        assert!((value("server time per delivery") - 2e6).abs() < 1e-3);
    }
}
