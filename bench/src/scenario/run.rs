//! Runs a scenario from its preparation to its report.

use std::env;

use anyhow::bail;
use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};

use super::{edits, edits_yjs, faults, flush, hot, idle, join, large, nodes, pairs, slow, storm};
use crate::{
    machine::Hardware,
    options::{Options, ScenarioName},
    report::{Report, ScenarioOutcome},
    server::{Deployment, Needs, Postgres, Redis, profile_of},
};

/// Everything that a scenario has.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) deployment: Deployment,
}

/// Runs the scenario of the options.
///
/// # Errors
/// The server does not start or cannot be reached, it refuses what the load needs, or the user has interrupted the run.
pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Dropping the run ends what it has started.
    tokio::select! {
        report = run_to_end(options) => report,
        _ = interrupt.recv() => bail!("interrupted, so there is no result"),
        _ = terminate.recv() => bail!("terminated, so there is no result"),
    }
}

async fn run_to_end(options: &Options) -> anyhow::Result<Report> {
    let at = Utc::now();
    let deployment = Deployment::prepare(options, needs(options).await).await?;
    let (target, versions) = (deployment.description(), deployment.versions.clone());
    let server_profile = deployment.profile.clone();
    let mut run = Run { options, deployment };
    let outcome = outcome(&mut run).await?;
    Ok(Report {
        scenario: options.scenario.label(),
        at,
        hardware: Hardware::read(),
        target,
        versions,
        profile: own_profile(),
        server_profile,
        seconds: options.measured().as_secs_f64(),
        warmup_seconds: options.warmup().as_secs_f64(),
        is_quick: options.quick,
        threads: options.threads(),
        server_threads: options.server_threads(),
        outcome,
    })
}

/// Returns the profile with which this program was built.
fn own_profile() -> String {
    let by_folder = env::current_exe().ok().and_then(|program| profile_of(&program));
    let otherwise = if cfg!(debug_assertions) { "debug" } else { "release" };
    by_folder.unwrap_or_else(|| otherwise.to_owned())
}

async fn needs(options: &Options) -> Needs {
    match options.scenario {
        ScenarioName::Nodes => Needs { nodes: 2, postgres: true, redis: true },
        // The scenario itself says that it does not run against a deployment.
        ScenarioName::Faults if !options.url.is_empty() => Needs { nodes: 1, ..Needs::default() },
        // Without PostgreSQL there is one node with SQLite, which has fewer faults.
        ScenarioName::Faults if options.database.as_deref() == Some("sqlite") => {
            Needs { nodes: 1, ..Needs::default() }
        }
        ScenarioName::Faults if Postgres::is_installed() || options.database.is_some() => {
            Needs { nodes: 2, postgres: true, redis: Redis::find_version().await.is_some() }
        }
        _ => Needs { nodes: 1, ..Needs::default() },
    }
}

async fn outcome(run: &mut Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    match run.options.scenario {
        ScenarioName::Pairs => pairs::run(run).await,
        ScenarioName::Nodes => nodes::run(run).await,
        ScenarioName::Hot => hot::run(run).await,
        ScenarioName::Idle => idle::run(run).await,
        ScenarioName::Edits => edits::run(run).await,
        ScenarioName::EditsYjs => edits_yjs::run(run).await,
        ScenarioName::Join => join::run(run).await,
        ScenarioName::Slow => slow::run(run).await,
        ScenarioName::Storm => storm::run(run).await,
        ScenarioName::Large => large::run(run).await,
        ScenarioName::Flush => flush::run(run).await,
        ScenarioName::Faults => faults::run(run).await,
    }
}
