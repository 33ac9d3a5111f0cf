//! The recorded values: a text file with the toolchain and one line for each scenario.
//!
//! A line has the name, the instructions of one operation, and why the value last changed.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, ensure};

use crate::comparison::{Measured, change_percent};

/// The change in percent from which on a value is recorded again. Smaller ones are noise.
const NOISE_PERCENT: f64 = 2.0;

/// The word before the toolchain.
const TOOLCHAIN: &str = "toolchain";

/// What the file says about itself.
const HEAD: &str = "\
# Instructions per operation, in a build without optimization: scenario, value, and why the value last changed.
# `scripts/costs --record REASON` writes this file. Compare values of one toolchain only.
";

/// The recorded values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    toolchain: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    instructions: u64,
    reason: String,
}

impl Record {
    /// Returns the toolchain that built what was measured; empty if nothing is recorded.
    pub(crate) fn toolchain(&self) -> &str {
        &self.toolchain
    }

    /// Returns the recorded value of a scenario.
    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        self.find_entry(name).map(|entry| entry.instructions)
    }

    /// Returns the names of the recorded scenarios.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Returns a record of what was measured. Values that differ no more than by noise stay, with their reasons.
    ///
    /// # Errors
    /// The reason is empty or has several lines.
    pub(crate) fn updated(
        &self,
        measured: &[Measured],
        reason: &str,
        toolchain: &str,
    ) -> anyhow::Result<Self> {
        let reason = reason.trim();
        let is_line = !reason.is_empty() && !reason.contains('\n');
        ensure!(is_line, "the reason for the new values must be one line");
        let entry = |Measured { name, instructions }: &Measured| {
            let kept = self.find_entry(name).filter(|entry| {
                change_percent(entry.instructions, *instructions).abs() <= NOISE_PERCENT
            });
            let new =
                || Entry { name: name.clone(), instructions: *instructions, reason: reason.into() };
            kept.cloned().unwrap_or_else(new)
        };
        Ok(Self { toolchain: toolchain.to_owned(), entries: measured.iter().map(entry).collect() })
    }

    fn find_entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl FromStr for Record {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut record = Self::default();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            if name == TOOLCHAIN {
                record.toolchain = rest.trim().to_owned();
                continue;
            }
            let (value, reason) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
            let instructions = value.parse().ok().filter(|value| *value > 0);
            let instructions = instructions.with_context(|| format!("{line:?} has no value"))?;
            let reason = reason.trim().to_owned();
            ensure!(!reason.is_empty(), "{line:?} has no reason");
            ensure!(record.find_entry(name).is_none(), "{name} is recorded twice");
            record.entries.push(Entry { name: name.to_owned(), instructions, reason });
        }
        Ok(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}{TOOLCHAIN} {}", self.toolchain)?;
        for Entry { name, instructions, reason } in &self.entries {
            writeln!(f, "{name:<9} {instructions:>9}  {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A comment.\ntoolchain rustc 1.95.0\ncursor    1000  first\nedit      2000  more checks\n";

    fn record() -> Record {
        TEXT.parse().unwrap()
    }

    fn measured(name: &str, instructions: u64) -> Measured {
        Measured { name: name.to_owned(), instructions }
    }

    #[test]
    fn a_file_is_read_and_written_alike() {
        let record = record();
        assert_eq!(record.toolchain(), "rustc 1.95.0");
        assert_eq!(record.names().collect::<Vec<_>>(), ["cursor", "edit"]);
        assert_eq!((record.value("edit"), record.value("join")), (Some(2_000), None));
        assert_eq!(record.to_string().parse::<Record>().unwrap(), record);
    }

    #[test]
    fn a_missing_file_records_nothing() {
        assert_eq!("".parse::<Record>().unwrap(), Record::default());
    }

    #[test]
    fn a_line_needs_a_value_and_a_reason() {
        for text in
            ["cursor", "cursor many reasons", "cursor 0 none", "cursor 1000", "cursor 1000 "]
        {
            assert!(text.parse::<Record>().is_err(), "{text}");
        }
        assert!("cursor 1 a\ncursor 2 b".parse::<Record>().is_err());
    }

    #[test]
    fn only_what_has_changed_gets_the_new_reason() {
        let measured =
            [measured("cursor", 1_010), measured("edit", 1_900), measured("join", 3_000)];
        let updated =
            record().updated(&measured, "fewer copies", "rustc 1.96.0").unwrap().to_string();
        assert!(updated.contains("toolchain rustc 1.96.0"));
        assert!(updated.contains("cursor         1000  first"), "{updated}");
        assert!(updated.contains("edit           1900  fewer copies"), "{updated}");
        assert!(updated.contains("join           3000  fewer copies"), "{updated}");
    }

    #[test]
    fn a_scenario_that_no_longer_exists_is_forgotten() {
        let updated = record().updated(&[measured("edit", 2_000)], "no cursors", "rustc").unwrap();
        assert_eq!(updated.names().collect::<Vec<_>>(), ["edit"]);
    }

    #[test]
    fn new_values_need_a_reason() {
        assert!(record().updated(&[measured("edit", 1)], " ", "rustc").is_err());
        assert!(record().updated(&[measured("edit", 1)], "two\nlines", "rustc").is_err());
    }
}
