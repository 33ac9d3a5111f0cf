//! What is printed.

use std::fmt::Write as _;

use crate::comparison::{Row, Verdict, change_percent};

/// Returns a table of all scenarios, and what to do about those whose values are lower.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = String::from("scenario      recorded    measured   change\n");
    for row in rows {
        let number =
            |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let change = match (row.recorded, row.measured) {
            (Some(recorded), Some(measured)) => {
                format!("{:+.2} %", change_percent(recorded, measured))
            }
            _ => String::new(),
        };
        let (recorded, measured) = (number(row.recorded), number(row.measured));
        let (name, remark) = (&row.name, remark(row.verdict));
        let line = format!("{name:<10} {recorded:>11} {measured:>11} {change:>9}  {remark}");
        // Writing to a string does not fail.
        let _written = writeln!(text, "{}", line.trim_end());
    }
    if rows.iter().any(|row| row.verdict == Verdict::Lower) {
        text.push_str(
            "Record the lower values, so that they stay: scripts/costs --record REASON\n",
        );
    }
    text
}

fn remark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "",
        Verdict::Lower => "lower",
        Verdict::Higher => "more than 5 % above the record",
        Verdict::NotRecorded => "not recorded",
        Verdict::Unknown => "no such scenario",
    }
}

/// What to do after a failure.
pub(crate) const ADVICE: &str = "costs: failed. Remove the cost, or record it in the same commit: scripts/costs --record REASON\n";

/// Returns why higher values may pass with another toolchain than that of the record.
pub(crate) fn note_toolchain(recorded: &str, present: &str) -> String {
    format!(
        "costs: the values are of {recorded}, and this is {present}, so only those more than 25 % higher fail. Record them again.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_both_values_and_their_difference() {
        let row = |name: &str, recorded, measured, verdict| {
            let name = name.to_owned();
            Row { name, recorded, measured, verdict }
        };
        let rows = [
            row("cursor", Some(1_000), Some(1_100), Verdict::Higher),
            row("edit", Some(1_000), Some(900), Verdict::Lower),
            row("join", None, Some(900), Verdict::NotRecorded),
        ];
        let text = render(&rows);
        assert!(
            text.contains("cursor            1000        1100  +10.00 %  more than 5 %"),
            "{text}"
        );
        assert!(text.contains("edit              1000         900  -10.00 %  lower"), "{text}");
        assert!(
            text.contains("join                 -         900            not recorded"),
            "{text}"
        );
        assert!(text.ends_with("scripts/costs --record REASON\n"), "{text}");
    }
}
