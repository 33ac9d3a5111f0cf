//! The command line.

use std::{num::NonZero, path::PathBuf, thread, time::Duration};

use clap::{Parser, ValueEnum};

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
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds of load before, which are checked but not measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) warmup: f64,
    /// Events per second of each sender; for `join`, joins per second
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Documents
    #[arg(long)]
    pub(crate) documents: Option<usize>,
    /// Connections: listeners of `hot`, stalled ones of `slow`, editors of `large`, agents of `flush`, all of `idle` and `storm`
    #[arg(long)]
    pub(crate) connections: Option<usize>,
    /// Write the result into this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw the distributions of latency into this file as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Secret with which the deployment signs tokens; it needs `auth.enrol`. Without it, users are registered
    #[arg(long)]
    pub(crate) secret: Option<String>,
    /// The server to start; by default the one that was built together with this program
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Database of the servers that are started: `sqlite`, `postgres` to start a private one, or the URL of an empty PostgreSQL
    /// database. `faults` takes all of its server's connections
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Redis of the servers that are started: its URL, or `redis` to start a private one
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
    /// Small numbers and two seconds of load, to check that everything works
    #[arg(long)]
    pub(crate) quick: bool,
    /// Threads that drive the load; by default half the cores
    #[arg(long)]
    pub(crate) threads: Option<NonZero<usize>>,
}

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
        let half_the_cores = || thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
        self.threads.map_or_else(half_the_cores, NonZero::get)
    }

    /// Returns the number of documents, by default `full` or with `--quick` `quick`.
    pub(crate) fn documents(&self, full: usize, quick: usize) -> usize {
        self.documents.unwrap_or(if self.quick { quick } else { full }).max(1)
    }

    /// Returns the number of connections, by default `full` or with `--quick` `quick`.
    pub(crate) fn connections(&self, full: usize, quick: usize) -> usize {
        self.connections.unwrap_or(if self.quick { quick } else { full }).max(1)
    }

    /// Returns the events per second of each sender, by default `full` or with `--quick` `quick`.
    pub(crate) fn rate(&self, full: f64, quick: f64) -> f64 {
        self.rate.unwrap_or(if self.quick { quick } else { full }).max(0.01)
    }
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::from_secs(1))
}
