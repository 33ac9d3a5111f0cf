//! Counts instructions: this program runs itself under callgrind, all scenarios in one process.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use tempfile::TempDir;

use crate::{comparison::Measured, meter, scenario::Scenario};

/// The line of a part of the profile with its number of instructions.
const TOTALS: &str = "totals:";

/// Measures every scenario.
///
/// # Errors
/// callgrind cannot be started, or a scenario fails.
pub(crate) fn measure_all() -> anyhow::Result<Vec<Measured>> {
    let folder = TempDir::new()?;
    let profile = folder.path().join("profile");
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind");
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.args(meter::MARKS.map(|mark| format!("--dump-before={mark}")));
    command.arg(std::env::current_exe()?).arg("run");
    // Neither the environment nor the folder may change what is counted.
    command.env_clear().env("TMPDIR", folder.path()).current_dir("/").stdin(Stdio::null());
    // The allocator would return memory after a time.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    let output = command.output().context("valgrind cannot be started")?;
    ensure!(
        output.status.success(),
        "the scenarios fail: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    measured(&intervals(&profile)?)
}

/// Returns the instructions of each interval. Parts between two intervals come before and after each of them.
fn intervals(profile: &Path) -> anyhow::Result<Vec<u64>> {
    let mut intervals = vec![];
    for number in (2..).step_by(2) {
        let part = profile.with_extension(number.to_string());
        if !part.is_file() {
            break;
        }
        let text = fs::read_to_string(&part)?;
        intervals.push(total(&text).context("a part of the profile has no total")?);
    }
    Ok(intervals)
}

fn total(part: &str) -> Option<u64> {
    part.lines().find_map(|line| line.strip_prefix(TOTALS))?.trim().parse().ok()
}

/// Assigns the intervals to the scenarios, in order.
fn measured(intervals: &[u64]) -> anyhow::Result<Vec<Measured>> {
    let mut rest = intervals;
    let mut measured = vec![];
    for scenario in Scenario::value_variants() {
        let Some((own, others)) = rest.split_at_checked(scenario.intervals()) else {
            bail!("callgrind has counted {} intervals only", intervals.len());
        };
        let instructions = scenario.instructions(own);
        measured.push(Measured { name: scenario.name().to_owned(), instructions });
        rest = others;
    }
    ensure!(rest.is_empty(), "callgrind has counted {} intervals too many", rest.len());
    Ok(measured)
}

/// Returns the version of the compiler.
///
/// # Errors
/// The compiler cannot be started.
pub(crate) fn toolchain() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc is missing")?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(version.split(" (").next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_part_is_read() {
        assert_eq!(total("version: 1\nfn=(1) main\n0 5\n\ntotals: 1234567\n"), Some(1_234_567));
        assert_eq!(total("version: 1\n"), None);
    }

    #[test]
    fn intervals_are_assigned_in_order() {
        let counted: usize = Scenario::value_variants().iter().map(|one| one.intervals()).sum();
        let intervals: Vec<u64> = (1..=counted as u64).map(|number| number * 1_000_000).collect();
        let measured = measured(&intervals).unwrap();
        assert_eq!((measured[0].name.as_str(), measured[0].instructions), ("cursor", 6_666));
        assert_eq!((measured[1].name.as_str(), measured[1].instructions), ("edit", 25_000));
    }

    #[test]
    fn a_missing_interval_is_an_error() {
        assert!(measured(&[1]).is_err());
        assert!(measured(&[1; 100]).is_err());
    }
}
