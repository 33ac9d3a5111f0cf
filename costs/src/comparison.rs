//! Compares what was counted with what is recorded.

use crate::record::Record;

/// How far a value may be above the recorded one, in percent, and how far below it is not worth recording.
const ALLOWED_PERCENT: f64 = 5.0;

/// How far a value of another toolchain may be above the recorded one, in percent.
const ALLOWED_PERCENT_OF_OTHERS: f64 = 25.0;

/// The instructions of one operation of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The name of the scenario.
    pub(crate) name: String,
    /// Instructions per operation.
    pub(crate) instructions: u64,
}

/// A scenario with its values and what they mean.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) recorded: Option<u64>,
    pub(crate) measured: Option<u64>,
    pub(crate) verdict: Verdict,
}

/// What a comparison means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The value is near the recorded one.
    Unchanged,
    /// The value is lower and should be recorded.
    Lower,
    /// The value is higher than allowed.
    Higher,
    /// The scenario has no recorded value.
    NotRecorded,
    /// The record names a scenario that does not exist.
    Unknown,
}

impl Verdict {
    fn of(recorded: u64, measured: u64) -> Self {
        match change_percent(recorded, measured) {
            change if change > ALLOWED_PERCENT => Self::Higher,
            change if change < -ALLOWED_PERCENT => Self::Lower,
            _ => Self::Unchanged,
        }
    }

    fn passes(self) -> bool {
        match self {
            Self::Unchanged | Self::Lower => true,
            Self::Higher | Self::NotRecorded | Self::Unknown => false,
        }
    }
}

/// Returns by how many percent a value differs from the recorded one.
pub(crate) fn change_percent(recorded: u64, measured: u64) -> f64 {
    (measured as f64 / recorded as f64 - 1.0) * 100.0
}

/// Compares every scenario that was measured or is recorded.
pub(crate) fn compare(record: &Record, measured: &[Measured]) -> Vec<Row> {
    let rows = measured.iter().map(|Measured { name, instructions }| {
        let recorded = record.value(name);
        let verdict =
            recorded.map_or(Verdict::NotRecorded, |recorded| Verdict::of(recorded, *instructions));
        Row { name: name.clone(), recorded, measured: Some(*instructions), verdict }
    });
    let is_unknown = |name: &&str| measured.iter().all(|one| one.name != *name);
    let unknown = record.names().filter(is_unknown).map(|name| Row {
        name: name.to_owned(),
        recorded: record.value(name),
        measured: None,
        verdict: Verdict::Unknown,
    });
    rows.chain(unknown).collect()
}

/// Whether all values may be as they are. A little more with another toolchain says nothing about the program.
pub(crate) fn passes(rows: &[Row], is_same_toolchain: bool) -> bool {
    rows.iter().all(|row| {
        let is_near = row.recorded.zip(row.measured).is_some_and(|(recorded, measured)| {
            change_percent(recorded, measured) <= ALLOWED_PERCENT_OF_OTHERS
        });
        row.verdict.passes() || (!is_same_toolchain && is_near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares a record of 1,000 instructions for a cursor with this.
    fn verdict(name: &str, instructions: u64) -> (Verdict, bool) {
        let record = "toolchain rustc 1.95.0\ncursor 1000 first\n".parse().unwrap();
        let rows = compare(&record, &[Measured { name: name.to_owned(), instructions }]);
        (rows[0].verdict, passes(&rows, true))
    }

    #[test]
    fn a_value_may_be_five_percent_higher() {
        assert_eq!(verdict("cursor", 1_000), (Verdict::Unchanged, true));
        assert_eq!(verdict("cursor", 1_049), (Verdict::Unchanged, true));
        assert_eq!(verdict("cursor", 1_051), (Verdict::Higher, false));
    }

    #[test]
    fn a_lower_value_passes_and_should_be_recorded() {
        assert_eq!(verdict("cursor", 951), (Verdict::Unchanged, true));
        assert_eq!(verdict("cursor", 949), (Verdict::Lower, true));
    }

    #[test]
    fn a_scenario_without_a_recorded_value_fails() {
        assert_eq!(verdict("edit", 1_000), (Verdict::NotRecorded, false));
    }

    #[test]
    fn a_recorded_value_of_an_unknown_scenario_fails() {
        let record = "toolchain rustc 1.95.0\ncursor 1000 first\n".parse().unwrap();
        let rows = compare(&record, &[]);
        assert_eq!((rows[0].name.as_str(), rows[0].verdict), ("cursor", Verdict::Unknown));
        assert!(!passes(&rows, true));
    }

    #[test]
    fn a_value_of_another_toolchain_may_be_twenty_five_percent_higher() {
        let record = "toolchain rustc 1.95.0\ncursor 1000 first\n".parse().unwrap();
        let rows = |name: &str, instructions| {
            compare(&record, &[Measured { name: name.to_owned(), instructions }])
        };
        assert!(passes(&rows("cursor", 1_240), false) && !passes(&rows("cursor", 1_240), true));
        assert!(!passes(&rows("cursor", 1_260), false));
        assert!(!passes(&rows("edit", 1_000), false), "it is not recorded");
    }

    #[test]
    fn one_higher_value_fails_beside_others_that_are_lower() {
        let record =
            "toolchain rustc 1.95.0\ncursor 1000 first\nedit 1000 first\n".parse().unwrap();
        let measured = |name: &str, instructions| Measured { name: name.to_owned(), instructions };
        let rows = compare(&record, &[measured("cursor", 10), measured("edit", 1_100)]);
        assert!(!passes(&rows, true));
    }
}
