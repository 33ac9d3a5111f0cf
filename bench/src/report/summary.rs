//! The summary for a person.

use std::fmt::Write as _;

use super::Report;

/// Returns the summary, without a line break at its end.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a string never fails.
    let _written = write(report, &mut text);
    text.trim_end().to_owned()
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let (hardware, outcome) = (&report.hardware, &report.outcome);
    let processor = hardware.processor.as_deref().unwrap_or("unknown processor");
    writeln!(text, "{} against {}", report.scenario, report.target)?;
    writeln!(text, "{} cores of {processor}, {}", hardware.cores, hardware.system)?;
    let programs = &report.versions;
    for program in [&programs.server, &programs.postgres, &programs.redis].into_iter().flatten() {
        writeln!(text, "{program}")?;
    }
    let profiles =
        [("this program", Some(&report.profile)), ("the server", report.server_profile.as_ref())];
    for (program, profile) in profiles {
        if let Some(profile) = profile.filter(|profile| *profile != "release") {
            writeln!(
                text,
                "{program} was built with the profile {profile}: publish figures of release builds only"
            )?;
        }
    }
    if !outcome.series.is_empty() {
        let names = ["ms", "count", "p50", "p90", "p95", "p99", "p99.9", "max"];
        writeln!(text)?;
        write!(text, "{:<14}", names[0])?;
        for name in &names[1..] {
            write!(text, "{name:>11}")?;
        }
        writeln!(text)?;
    }
    for series in &outcome.series {
        let found = series.latencies.distribution();
        write!(text, "{:<14}{:>11}", series.name, found.count)?;
        for value in [found.p50, found.p90, found.p95, found.p99, found.p999, found.max] {
            write!(text, "{value:>11.2}")?;
        }
        writeln!(text)?;
    }
    writeln!(text)?;
    for figure in &outcome.figures {
        writeln!(text, "{:<40}{:>14.2} {}", figure.name, figure.value, figure.unit)?;
    }
    if let Some(usage) = outcome.usage {
        writeln!(text, "{:<40}{:>14.2}", "cores that the server kept busy", usage.cores())?;
        writeln!(text, "{:<40}{:>14.1} MiB", "memory of the server, largest", usage.peak_mib)?;
    }
    for (name, count) in outcome.counts.named() {
        if count > 0 || name == "lost" {
            writeln!(text, "{name:<40}{count:>14}")?;
        }
    }
    for note in &outcome.notes {
        writeln!(text, "note: {note}")?;
    }
    let verdict = if outcome.failures.is_empty() { "every promise was kept" } else { "FAILED" };
    writeln!(text, "\n{verdict}")
}
