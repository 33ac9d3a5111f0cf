//! The command line.

use std::{ops::RangeInclusive, path::PathBuf, thread, time::Duration};

use clap::{Parser, ValueEnum, builder::RangedU64ValueParser};

/// The lengths of the measured part that are accepted, in seconds.
const SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;

/// The lengths of the warm-up that are accepted, in seconds.
const WARMUP_SECONDS: RangeInclusive<f64> = 0.0..=3_600.0;

/// The events per second of a sender that are accepted.
const RATES: RangeInclusive<f64> = 0.01..=10_000.0;

/// The most documents or connections of a load.
const MAX_NUMBER: u64 = 1_000_000;

/// The most characters of the value of a cell.
const MAX_CELL: u64 = 10_000;

/// The most threads of the load or of a server.
const MAX_THREADS: u64 = 1_024;

/// Puts load on a coscribe and checks that it keeps its promises.
///
/// Without --url, a server is started on this machine, with its data in a temporary folder.
#[derive(Debug, Clone, Parser)]
#[command(name = "coscribe-bench", version, about)]
pub(crate) struct Options {
    /// What to do
    pub(crate) scenario: ScenarioName,
    /// Base address of a deployment: scheme, host and port. Repeat it for several nodes
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = |text: &str| number(text, SECONDS))]
    pub(crate) seconds: f64,
    /// Seconds of load before, which are checked but not measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = |text: &str| number(text, WARMUP_SECONDS))]
    pub(crate) warmup: f64,
    /// Events per second of each sender; for `join`, joins per second
    #[arg(long, value_parser = |text: &str| number(text, RATES))]
    pub(crate) rate: Option<f64>,
    /// Documents
    #[arg(long, value_parser = whole_number(MAX_NUMBER))]
    pub(crate) documents: Option<usize>,
    /// Connections: listeners of `hot`, stalled ones of `slow`, editors of `large`, agents of `flush`, all of `idle` and `storm`
    #[arg(long, value_parser = whole_number(MAX_NUMBER))]
    pub(crate) connections: Option<usize>,
    /// Characters of the value of each cell of `large` and `flush`
    #[arg(long, value_parser = whole_number(MAX_CELL), default_value_t = 12)]
    pub(crate) cell: usize,
    /// Write the result into this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw the distributions of latency into this file as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Secret with which the deployment signs tokens; it needs `auth.enrol`. Without it, users are registered. Other users of this
    /// machine can see it in the list of processes, so set the variable instead
    #[arg(long, env = "COSCRIBE_BENCH_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The server to start; by default the one that was built together with this program
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) server: Option<PathBuf>,
    /// Database of the servers that are started: `sqlite`, `postgres` to start a private one, or the URL of an empty PostgreSQL
    /// database. `faults` takes all of its server's connections
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub(crate) database: Option<String>,
    /// Redis of the servers that are started: its URL, or `redis` to start a private one
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub(crate) redis: Option<String>,
    /// Small numbers and two seconds of load, to check that everything works
    #[arg(long)]
    pub(crate) quick: bool,
    /// Threads that drive the load; by default half the cores
    #[arg(long, value_parser = whole_number(MAX_THREADS))]
    pub(crate) threads: Option<usize>,
    /// Threads of each server that is started (`server.workers`); by default what its settings say
    #[arg(long, value_parser = whole_number(MAX_THREADS), conflicts_with = "url")]
    pub(crate) workers: Option<usize>,
}

/// The variable with which a server's number of threads is set.
pub(crate) const WORKERS_VARIABLE: &str = "COSCRIBE__SERVER__WORKERS";

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum ScenarioName {
    /// Two users in each document move their cursors
    Pairs,
    /// One user moves the cursor in front of a thousand others
    Hot,
    /// Users open documents, over GraphQL and as Yjs editors
    Join,
    /// Two users in each document edit it over GraphQL
    Edits,
    /// Two Yjs editors in each document edit it
    EditsYjs,
    /// Connections that do nothing
    Idle,
    /// Listeners that stop reading while others go on
    Slow,
    /// `pairs`, with the two users of a document on two nodes
    Nodes,
    /// All clients lose their connection at once and come back
    Storm,
    /// Many editors open a large document, and one types in it
    Large,
    /// Agents store a batch each at the same moment while a user types
    Flush,
    /// Nodes, Redis and the database fail under load; every acknowledged edit must be there once
    Faults,
}

impl ScenarioName {
    /// Returns the name as it is written on the command line.
    pub(crate) fn label(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Options {
    /// Seconds of `--quick`.
    const QUICK_SECONDS: f64 = 1.5;
    const QUICK_WARMUP: f64 = 0.5;

    /// Returns the length of the measured part.
    pub(crate) fn measured(&self) -> Duration {
        seconds(if self.quick { Self::QUICK_SECONDS } else { self.seconds })
    }

    /// Returns the length of the part before it.
    pub(crate) fn warmup(&self) -> Duration {
        seconds(if self.quick { Self::QUICK_WARMUP } else { self.warmup })
    }

    /// Returns the number of threads that drive the load.
    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(half_the_cores)
    }

    /// Returns the number of threads of each server that is started here. `None` if none is, or if its settings are not understood.
    pub(crate) fn server_threads(&self) -> Option<usize> {
        if !self.url.is_empty() {
            return None;
        }
        let set = || std::env::var_os(WORKERS_VARIABLE)?.into_string().ok();
        match self.workers {
            Some(workers) => Some(workers),
            None => match set().map_or(Ok(0), |text| text.parse()).ok()? {
                // What the server does with 0.
                0 => Some(half_the_cores()),
                workers => Some(workers),
            },
        }
    }

    /// Returns the number of documents, by default `full` or with `--quick` `quick`.
    pub(crate) fn documents(&self, full: usize, quick: usize) -> usize {
        self.documents.unwrap_or(if self.quick { quick } else { full })
    }

    /// Returns the number of connections, by default `full` or with `--quick` `quick`.
    pub(crate) fn connections(&self, full: usize, quick: usize) -> usize {
        self.connections.unwrap_or(if self.quick { quick } else { full })
    }

    /// Returns the events per second of each sender, by default `full` or with `--quick` `quick`.
    pub(crate) fn rate(&self, full: f64, quick: f64) -> f64 {
        self.rate.unwrap_or(if self.quick { quick } else { full })
    }
}

/// Converts seconds that are in range.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::from_secs(1))
}

fn half_the_cores() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Parses a number in a range.
fn number(text: &str, range: RangeInclusive<f64>) -> Result<f64, String> {
    // NaN is in no range.
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it takes a number from {} to {}", range.start(), range.end()))
}

/// Parses a whole number from 1.
fn whole_number(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = ["coscribe-bench", "pairs"].iter().chain(arguments);
        Options::try_parse_from(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_out_of_its_range_is_refused_with_the_range() {
        for (option, value) in [("--seconds", "0"), ("--seconds", "-1"), ("--rate", "NaN")] {
            let error = parse(&[&format!("{option}={value}")]).unwrap_err();
            assert!(error.contains(option) && error.contains("from 0."), "{error}");
        }
        for option in ["--documents", "--connections", "--threads", "--workers"] {
            let error = parse(&[option, "0"]).unwrap_err();
            assert!(error.contains(option) && error.contains("not in 1..="), "{error}");
        }
        assert!(parse(&["--warmup", "0", "--rate", "0.01", "--seconds", "86400"]).is_ok());
    }

    #[test]
    fn settings_of_a_started_server_exclude_a_deployment() {
        for option in ["--server=x", "--database=postgres", "--redis=redis", "--workers=2"] {
            let error = parse(&["--url", "http://localhost", option]).unwrap_err();
            assert!(error.contains("cannot be used with"), "{error}");
        }
    }

    #[test]
    fn the_threads_of_a_deployment_are_unknown() {
        assert_eq!(parse(&["--workers", "3"]).unwrap().server_threads(), Some(3));
        assert_eq!(parse(&["--url", "http://localhost"]).unwrap().server_threads(), None);
    }
}
