//! How many instructions an operation of a node takes, from one socket of a client to another.
//!
//! Without a command, the program runs itself under callgrind and compares what it counts with the recorded values
//! ([ADR 43](../../docs/adr/0043-instruction-counts.md)). `run` is what it runs: a node and its clients in one
//! process.

mod callgrind;
mod client;
mod comparison;
mod http;
mod messages;
mod meter;
mod record;
mod scenario;
mod stage;
mod table;

use std::{io, path::PathBuf, process::ExitCode};

use allocator::Allocator;
use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum as _};

use crate::{record::Record, scenario::Scenario};

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Counts the instructions of a node's operations, and compares them with recorded values.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// File with the recorded values
    #[arg(long, value_name = "FILE", default_value = "costs/recorded.txt")]
    file: PathBuf,
    /// Record the values that differ, with this reason, instead of failing
    #[arg(long, value_name = "REASON")]
    record: Option<String>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Start a node and run scenarios, without counting
    Run {
        /// Scenarios to run, one after another; all without an argument
        #[arg(value_enum)]
        scenarios: Vec<Scenario>,
        /// Number of operations of each, after the first twenty
        #[arg(long)]
        operations: Option<u32>,
    },
}

fn main() -> ExitCode {
    allocator::return_memory_soon();
    let arguments = Arguments::parse();
    let done = match arguments.command.clone() {
        Some(Command::Run { scenarios, operations }) => {
            let all = || Scenario::value_variants().to_vec();
            let scenarios = if scenarios.is_empty() { all() } else { scenarios };
            stage::run(scenarios, operations).map(|()| true)
        }
        None => guard(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print(io::stderr(), &format!("coscribe-costs: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures all scenarios and compares them with the record, or records them. Returns whether they may be as they are.
fn guard(arguments: &Arguments) -> anyhow::Result<bool> {
    let file = &arguments.file;
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let record: Record = text.parse().with_context(|| format!("{} is wrong", file.display()))?;
    let measured = callgrind::measure_all()?;
    let rows = comparison::compare(&record, &measured);
    print(io::stdout(), &table::render(&rows));
    if let Some(reason) = &arguments.record {
        let record = record.updated(&measured, reason, &callgrind::toolchain()?)?;
        std::fs::write(file, record.to_string())?;
        print(io::stdout(), &format!("Recorded in {}.", file.display()));
        return Ok(true);
    }
    let (recorded, present) = (record.toolchain(), callgrind::toolchain()?);
    let passes = comparison::passes(&rows, recorded == present);
    if !passes {
        print(io::stdout(), table::ADVICE);
    } else if recorded != present {
        print(io::stdout(), &table::note_toolchain(recorded, &present));
    }
    Ok(passes)
}

/// Prints text to an output, which may be closed.
fn print(mut output: impl io::Write, text: &str) {
    let _written = writeln!(output, "{text}");
}
