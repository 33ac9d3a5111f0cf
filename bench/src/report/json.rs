//! The result as JSON, one object per file.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::Report;

/// Writes the result into a file.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(report: &Report, file: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&value(report))?;
    fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))
}

fn value(report: &Report) -> Value {
    let outcome = &report.outcome;
    let latencies: Map<_, _> = outcome
        .series
        .iter()
        .map(|series| (series.name.to_owned(), json!(series.latencies.distribution())))
        .collect();
    let figures: Vec<_> = outcome
        .figures
        .iter()
        .map(|figure| json!({ "name": figure.name, "value": figure.value, "unit": figure.unit }))
        .collect();
    json!({
        "scenario": report.scenario,
        "at": report.at,
        "version": env!("CARGO_PKG_VERSION"),
        "profile": report.profile,
        "server": report.versions.server,
        "server_profile": report.server_profile,
        "postgres": report.versions.postgres,
        "redis": report.versions.redis,
        "target": report.target,
        "hardware": report.hardware,
        "load": outcome.size,
        "seconds": report.seconds,
        "warmup_seconds": report.warmup_seconds,
        "quick": report.is_quick,
        "threads": report.threads,
        "server_threads": report.server_threads,
        "latency_ms": latencies,
        "counts": outcome.counts,
        "figures": figures,
        "usage": outcome.usage,
        "ok": outcome.failures.is_empty(),
        "failures": outcome.failures,
        "notes": outcome.notes,
    })
}
