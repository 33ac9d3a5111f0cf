//! Load for coscribe: answers whether a machine or a deployment carries the users that it must carry.
//!
//! A scenario of `scenario` drives connections of `driver` against nodes that `server` starts, or against the addresses given
//! with `--url`. `schedule` fixes in advance when each event is due, `measure` compares that with when it arrived, and `report`
//! prints, draws and stores the result. The exit status is 0 only if the server kept every promise that the scenario checks.

mod driver;
mod machine;
mod measure;
mod options;
mod report;
mod scenario;
mod schedule;
mod server;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{options::Options, report::console};

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            for failure in failures {
                console::complain(&failure);
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            console::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenario and reports it. Returns the sentences about promises that the server broke.
fn run(options: &Options) -> anyhow::Result<Vec<String>> {
    // A run takes minutes, so this is not left to its end.
    for file in [&options.json, &options.svg].into_iter().flatten() {
        report::output_file::check(file)?;
    }
    machine::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads())
        .enable_all()
        .build()?;
    let report = runtime.block_on(scenario::run(options))?;
    console::print(&report::summary::render(&report));
    if let Some(file) = &options.json {
        report::json::write(&report, file)?;
    }
    if let Some(file) = &options.svg {
        report::svg::write(&report, file)?;
    }
    // Tasks of connections that are still open need not end in order.
    runtime.shutdown_background();
    Ok(report.outcome.failures)
}
