//! What was measured, and whether it is within the bounds.

use std::{collections::BTreeMap, time::Duration};

use crate::measurement::Latencies;

/// The bound of the bystander's 99th percentile while one user attacks, and while several do.
const MAX_P99: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(250)];

/// The most memory that one attacker may take, in MiB.
const MAX_MEMORY: u64 = 256;

/// The most memory that the node may keep, in MiB.
const MAX_KEPT: u64 = 128;

/// What was measured of one scenario.
pub(crate) struct Report {
    /// The name.
    pub(crate) name: String,
    /// The number of attackers.
    pub(crate) attackers: u64,
    /// The bystander's latencies before, during and after.
    pub(crate) latencies: [Latencies; 3],
    /// The resident memory before, at its peak, and after, in MiB.
    pub(crate) memory: [u64; 3],
    /// What the server answered the attackers.
    pub(crate) outcomes: BTreeMap<String, usize>,
}

impl Report {
    /// Prints the head of the table.
    pub(crate) fn print_header() {
        println!(
            "| attack | p50/p99 before | p50/p99/max during, ms | p50/p99 after | failures | memory, MiB | answers | beyond its bound |"
        );
        println!("|---|---|---|---|---|---|---|---|");
    }

    /// Prints a row of the table.
    pub(crate) fn print(&self) {
        let [before, during, after] = &self.latencies;
        let [start, peak, end] = self.memory;
        let (longest, action) = during.longest;
        let outcomes: Vec<_> =
            self.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        println!(
            "| {} | {}/{} | {}/{}/{} ({action}) | {}/{} | {} | {start} → {peak} → {end} | {} | {} |",
            self.name,
            before.p50.as_millis(),
            before.p99.as_millis(),
            during.p50.as_millis(),
            during.p99.as_millis(),
            longest.as_millis(),
            after.p50.as_millis(),
            after.p99.as_millis(),
            during.failures.join(", "),
            outcomes.join(", "),
            self.exceeded().join(", "),
        );
    }

    /// Returns the bounds that do not hold.
    pub(crate) fn exceeded(&self) -> Vec<&'static str> {
        let [_before, during, after] = &self.latencies;
        let [start, peak, end] = self.memory;
        let max = MAX_P99[usize::from(self.attackers > 1)];
        let bounds = [
            ("p99", during.p99 > max || during.count == 0),
            ("p99 after", after.p99 > max || after.count == 0),
            ("failures", !during.failures.is_empty()),
            ("memory", peak.saturating_sub(start) > MAX_MEMORY * self.attackers),
            ("memory kept", end.saturating_sub(start) > MAX_KEPT || end == 0),
        ];
        bounds.into_iter().filter(|(_, is_exceeded)| *is_exceeded).map(|(name, _)| name).collect()
    }
}
