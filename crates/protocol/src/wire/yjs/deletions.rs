//! The deleted ranges of an update: sorted, without those that a document has deleted, and divided into parts.
//!
//! The library splits the struct in which a range begins or ends, and copies the part after it. So thousands of ranges in
//! one long struct would take time that grows with the square of their number. The parts have them in an order that avoids
//! this: first ranges far apart, which cut a struct into a few pieces, then those within the first piece, and so on. From the
//! left to the right, because the library also moves all later structs of the client at each split.

use std::{collections::HashMap, ops::Range};

use yrs::encoding::write::Write as _;

use super::outline::Outline;

/// The number of pieces into which the ranges are divided, and then each piece again. A part has at most this many ranges.
const FAN_OUT: usize = 32;

/// A deleted range of a client's clocks, from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deletion {
    pub(super) client: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// An update with some of the deleted ranges of another.
#[derive(Debug)]
pub struct DeletionPart {
    /// The update.
    pub update: Vec<u8>,
    /// The number of ranges.
    pub ranges: usize,
}

impl Outline {
    /// Sorts the deleted ranges and merges those that overlap or touch.
    pub(super) fn squash_deletions(&mut self) {
        if !self.deletions.is_sorted() {
            self.deletions.sort_unstable();
        }
        self.deletions.dedup_by(|next, last| {
            let touches = next.client == last.client && next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
    }

    /// Returns the number of deleted ranges that neither overlap nor touch.
    #[must_use]
    pub fn deletion_count(&self) -> usize {
        self.deletions.len()
    }

    /// Leaves out what a document has deleted already. `deleted` are its deleted ranges of each client, sorted.
    pub fn leave_out_deleted(&mut self, deleted: &HashMap<u64, Vec<Range<u32>>>) {
        let mut rest = Vec::new();
        for of_client in self.deletions.chunk_by(|range, next| range.client == next.client) {
            let client = of_client.first().map(|range| range.client);
            let deleted = client.and_then(|client| deleted.get(&client));
            subtract(of_client, deleted.map_or(&[][..], Vec::as_slice), &mut rest);
        }
        self.has_ranges_of_update &= rest == self.deletions;
        self.deletions = rest;
    }

    /// Returns `update`, which this outlines, with the deleted ranges of the outline only.
    #[must_use]
    pub fn without_left_out(&self, update: &[u8]) -> Vec<u8> {
        let structs = update.get(..self.structs_end).unwrap_or(update);
        let mut bytes = structs.to_vec();
        write_deletions(&mut bytes, &self.deletions);
        bytes
    }

    /// Returns the deleted ranges as updates of at most `size` ranges each, in their order.
    pub fn deletion_updates(&self, size: usize) -> impl Iterator<Item = Vec<u8>> {
        self.deletions.chunks(size.max(1)).map(encode)
    }

    /// Divides the first `max` deleted ranges into parts, to be applied in this order after the structs.
    pub fn deletion_parts(&self, max: usize) -> impl Iterator<Item = DeletionPart> {
        let ranges = self.deletions.get(..max).unwrap_or(&self.deletions);
        let mut parts = Vec::new();
        divide(0..ranges.len(), &mut parts);
        parts.into_iter().filter_map(|part| {
            let ranges = ranges.get(part)?;
            Some(DeletionPart { update: encode(ranges), ranges: ranges.len() })
        })
    }
}

/// Adds what is in `ranges` and not in `deleted` to `rest`. Both are sorted.
fn subtract(ranges: &[Deletion], deleted: &[Range<u32>], rest: &mut Vec<Deletion>) {
    let mut deleted = deleted.iter().peekable();
    for Deletion { client, start, end } in ranges.iter().copied() {
        let mut start = start;
        while start < end {
            while deleted.next_if(|known| known.end <= start).is_some() {}
            let known = deleted.peek().filter(|known| known.start < end);
            let gap = start..known.map_or(end, |known| known.start);
            if !gap.is_empty() {
                rest.push(Deletion { client, start: gap.start, end: gap.end });
            }
            start = known.map_or(end, |known| known.end);
        }
    }
}

/// Adds the parts of these ranges: of each piece but the first, its first range, which cuts it off from the piece before, and
/// then the parts of that piece.
fn divide(ranges: Range<usize>, parts: &mut Vec<Range<usize>>) {
    if ranges.len() <= FAN_OUT {
        if !ranges.is_empty() {
            parts.push(ranges);
        }
        return;
    }
    let mut piece = 1;
    while piece * FAN_OUT < ranges.len() {
        piece *= FAN_OUT;
    }
    let mut start = ranges.start;
    while start < ranges.end {
        let cut = (start + piece).min(ranges.end);
        if cut < ranges.end {
            parts.push(cut..cut + 1);
        }
        // The first range of this piece has cut it off.
        let first = if start == ranges.start { start } else { start + 1 };
        divide(first..cut, parts);
        start = cut;
    }
}

/// Returns an update that only deletes.
fn encode(deletions: &[Deletion]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // No structs.
    bytes.write_var(0_u32);
    write_deletions(&mut bytes, deletions);
    bytes
}

/// Writes deleted ranges as they stand at the end of an update.
pub(super) fn write_deletions(bytes: &mut Vec<u8>, deletions: &[Deletion]) {
    let clients = || deletions.chunk_by(|range, next| range.client == next.client);
    bytes.write_var(clients().count());
    for ranges in clients() {
        let Some(first) = ranges.first() else { continue };
        bytes.write_var(first.client);
        bytes.write_var(ranges.len());
        for range in ranges {
            bytes.write_var(range.start);
            bytes.write_var(range.end - range.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn outline(ranges: &[(u64, u32, u32)]) -> Outline {
        let mut outline = Outline::default();
        let deletion = |(client, start, length): &(u64, u32, u32)| Deletion {
            client: *client,
            start: *start,
            end: start + length,
        };
        outline.deletions = ranges.iter().map(deletion).collect();
        outline.squash_deletions();
        outline
    }

    /// Returns the client and clock of everything that these ranges delete.
    fn clocks<'a>(deletions: impl IntoIterator<Item = &'a Deletion>) -> BTreeSet<(u64, u32)> {
        let clocks = |range: &Deletion| {
            let client = range.client;
            (range.start..range.end).map(move |clock| (client, clock))
        };
        deletions.into_iter().flat_map(clocks).collect()
    }

    fn ranges() -> impl Strategy<Value = Vec<(u64, u32, u32)>> {
        prop::collection::vec((1..3_u64, 0..60_u32, 1..5_u32), 0..30)
    }

    proptest! {
        #[test]
        fn what_is_left_out_is_exactly_what_is_deleted(ranges in ranges(), known in ranges()) {
            let mut outline = outline(&ranges);
            let known = self::outline(&known).deletions;
            let (all, mut expected) = (clocks(&outline.deletions), clocks(&outline.deletions));
            expected.retain(|clock| !clocks(&known).contains(clock));
            prop_assert!(outline.deletions.is_sorted() && all.len() >= expected.len());
            let mut deleted: HashMap<u64, Vec<Range<u32>>> = HashMap::new();
            for range in known {
                deleted.entry(range.client).or_default().push(range.start..range.end);
            }
            outline.leave_out_deleted(&deleted);
            prop_assert_eq!(clocks(&outline.deletions), expected);
        }

        #[test]
        fn each_range_is_in_exactly_one_part(count in 0..5_000_usize) {
            let mut parts = Vec::new();
            divide(0..count, &mut parts);
            prop_assert!(parts.iter().all(|part| (1..=FAN_OUT).contains(&part.len())));
            let mut all: Vec<usize> = parts.into_iter().flatten().collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn a_part_is_an_update_that_only_deletes() {
        let ranges: Vec<_> = (0..100).rev().map(|index| (7, 3 * index, 2)).collect();
        let mut found = BTreeSet::new();
        for part in outline(&ranges).deletion_parts(90) {
            let read = Outline::read(&part.update, 0).unwrap();
            assert_eq!(read.deletion_count(), part.ranges);
            found.extend(clocks(&read.deletions));
        }
        let expected = (0..90).flat_map(|index| [(7, 3 * index), (7, 3 * index + 1)]);
        assert_eq!(found, expected.collect());
    }

    #[test]
    fn an_update_whose_ranges_are_not_those_of_its_outline_is_not_one_part() {
        let update = |ranges: &[u8]| [&[0, 1, 7, ranges.len() as u8 / 2], ranges].concat();
        let read = |ranges| Outline::read(&update(ranges), 0).unwrap();
        assert!(read(&[4, 2, 0, 3]).is_one_part(2));
        assert!(!read(&[4, 2, 0, 3]).is_one_part(1));
        for overlapping in [&[0, 3, 0, 3][..], &[0, 3, 3, 2], &[4, 2, 0, 9]] {
            assert!(!read(overlapping).is_one_part(10), "{overlapping:?}");
        }
        let mut known = read(&[0, 3, 5, 2]);
        known.leave_out_deleted(&HashMap::from([(7, vec![3..5, 8..9]), (8, vec![0..7, 8..9])]));
        assert!(known.is_one_part(2));
        known.leave_out_deleted(&HashMap::from([(7, vec![1..2, 3..5])]));
        assert!(!known.is_one_part(10));
    }

    #[test]
    fn an_update_is_written_without_the_ranges_that_were_left_out() {
        // Client 9 inserts a letter.
        let update = |ranges: &[u8]| [&[1, 1, 9, 0, 4, 1, 1, b't', 1, b'a'][..], ranges].concat();
        let original = update(&[2, 7, 2, 0, 3, 5, 2, 8, 1, 1, 1]);
        let mut outline = Outline::read(&original, 10).unwrap();
        assert_eq!(outline.without_left_out(&original), original);
        outline.leave_out_deleted(&HashMap::from([(7, vec![0..1, 5..9]), (8, vec![0..4, 6..7])]));
        assert_eq!(outline.without_left_out(&original), update(&[1, 7, 1, 1, 2]));
    }

    #[test]
    fn overlapping_ranges_become_one() {
        let outline = outline(&[(2, 5, 2), (1, 8, 2), (1, 1, 3), (1, 4, 2), (1, 2, 1), (1, 8, 5)]);
        let deletion = |client, start, end| Deletion { client, start, end };
        assert_eq!(outline.deletions, [deletion(1, 1, 6), deletion(1, 8, 13), deletion(2, 5, 7)]);
    }
}
