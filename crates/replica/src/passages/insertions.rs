//! The changes that inserted the parts of a document, by the ids of Yjs.

use std::collections::HashMap;

use protocol::domain::{Budget, Exhausted};

use crate::replica::{CorruptDocument, StateError, read_stored};

/// The most ranges of clocks. Each takes some twenty bytes.
const MAX_RANGES: usize = 2_000_000;

/// The changes that inserted the parts of a document. A number stands for a change, or for several that belong together.
#[derive(Debug, Default)]
pub struct Insertions {
    /// The ranges of each client, in the order of clocks.
    ranges: HashMap<u64, Vec<InsertedRange>>,
    count: usize,
    /// What stands for everything else.
    others: Option<u32>,
}

/// Clocks of one client from `start` to before `end`.
#[derive(Debug)]
struct InsertedRange {
    start: u32,
    end: u32,
    by: u32,
}

impl Insertions {
    /// Returns insertions of which none is noted. `others` stands for the change of those that are not noted, if that is known.
    #[must_use]
    pub fn beginning_with(others: Option<u32>) -> Self {
        Self { others, ..Self::default() }
    }

    /// Notes what the stored update of a change inserted, which `by` stands for. Changes are noted in the order of their versions.
    /// Spends a step for each struct.
    ///
    /// # Errors
    /// [`StateError`]. Also if the changes inserted too many parts to be kept in memory.
    pub fn note(&mut self, update: &[u8], by: u32, budget: &Budget) -> Result<(), StateError> {
        let outline = read_stored(update).map_err(CorruptDocument)?;
        budget.spend(outline.struct_count())?;
        for (client, start, end) in outline.ranges() {
            let ranges = self.ranges.entry(client).or_default();
            // What a document has already was inserted by the earlier change.
            let start = ranges.last().map_or(start, |last| start.max(last.end));
            match ranges.last_mut() {
                _ if start >= end => {}
                Some(last) if last.end == start && last.by == by => last.end = end,
                _ => {
                    ranges.push(InsertedRange { start, end, by });
                    self.count += 1;
                }
            }
        }
        if self.count > MAX_RANGES {
            return Err(Exhausted::Steps.into());
        }
        Ok(())
    }

    /// Returns about how much memory they take, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let lists = self.ranges.capacity() * size_of::<(u64, Vec<InsertedRange>)>();
        let ranges: usize = self.ranges.values().map(Vec::capacity).sum();
        lists + ranges * size_of::<InsertedRange>()
    }

    /// Returns what stands for the change that inserted this clock of a client, if it is known, and the clock up to which the answer
    /// is the same.
    pub(super) fn at(&self, client: u64, clock: u32) -> (Option<u32>, u32) {
        let Some(ranges) = self.ranges.get(&client) else { return (self.others, u32::MAX) };
        let next = ranges.partition_point(|range| range.end <= clock);
        match ranges.get(next) {
            Some(range) if range.start <= clock => (Some(range.by), range.end),
            Some(range) => (self.others, range.start),
            None => (self.others, u32::MAX),
        }
    }
}
