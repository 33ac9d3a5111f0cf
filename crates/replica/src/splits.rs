//! Splitting of structs before a change with many steps.
//!
//! When a step falls into a struct, the library splits the struct and copies all of it. If thousands of steps fall into
//! one long struct, the time grows with the square of the text. So the struct is first split into a few pieces, each of
//! these into a few smaller ones, and so on, until there is a boundary at every step. Each of these levels copies the
//! text a few times, and the number of levels grows with the logarithm of the number of steps.
//!
//! The change would split the same structs at the same places, so this has no other effect on the document.

use protocol::domain::Op;
use yrs::{
    ClientID, ID, IdSet, ReadTxn as _, Snapshot, StateVector, Text as _, TextRef, TransactionMut,
    types::text::YChange,
};

use super::delta_steps::retain;

/// The number of splits from which on splitting in levels is faster.
const MIN_SPLITS: usize = 64;

/// The number of pieces into which a level divides a piece of the level before. More pieces copy the text more often, and
/// fewer move the entries of the library's list of structs more often.
const FAN_OUT: usize = 32;

/// Splits the structs of the text where steps of a delta begin or end. They must fit the text.
pub(crate) fn split_at_steps(text: &TextRef, txn: &mut TransactionMut<'_>, ops: &[Op]) {
    if ops.len() < MIN_SPLITS {
        return;
    }
    let mut offset = 0;
    let offsets = ops.iter().filter_map(|op| match op {
        Op::Retain(units, _) | Op::Delete(units) => {
            offset += units;
            Some(offset)
        }
        Op::Insert(..) | Op::Embed(..) => None,
    });
    let offsets: Vec<usize> = offsets.collect();
    for stride in strides(offsets.len()) {
        let mut last = 0;
        let step = |offset: &usize| retain(offset - std::mem::replace(&mut last, *offset));
        // A retain splits the struct at its end.
        let retains: Vec<_> = offsets.iter().step_by(stride).map(step).collect();
        text.apply_delta(txn, retains);
    }
}

/// Splits the structs of the document before these insertions, given as clients and clocks. Ignores those that the
/// document does not have.
pub(crate) fn split_at_insertions(
    text: &TextRef,
    txn: &mut TransactionMut<'_>,
    insertions: impl Iterator<Item = (u64, u32)>,
) {
    let mut insertions: Vec<_> = insertions.collect();
    if insertions.len() < MIN_SPLITS {
        return;
    }
    let known = txn.state_vector();
    insertions.retain(|(client, clock)| *clock < known.get(&ClientID::new(*client)));
    insertions.sort_unstable();
    insertions.dedup();
    for stride in strides(insertions.len()) {
        let at: Vec<_> = insertions.iter().step_by(stride).copied().collect();
        let snapshot = Snapshot::new(StateVector::default(), ranges(&at, &known));
        // The library splits structs at both ends of each range that a snapshot has as deleted.
        text.diff_range(txn, None, Some(&snapshot), YChange::identity);
    }
}

/// Returns ranges that begin or end at each of these insertions, which are sorted.
fn ranges(insertions: &[(u64, u32)], known: &StateVector) -> IdSet {
    let mut ranges = IdSet::new();
    for of_client in insertions.chunk_by(|(client, _), (next, _)| client == next) {
        for pair in of_client.chunks(2) {
            let Some((client, start)) = pair.first().copied() else { continue };
            let client = ClientID::new(client);
            let end = pair.get(1).map_or_else(|| known.get(&client), |(_, clock)| *clock);
            ranges.insert(ID::new(client, start), end - start);
        }
    }
    ranges
}

/// Returns for each level, from the coarsest on, which of `splits` it makes: every first, every 32nd, and so on.
fn strides(splits: usize) -> impl Iterator<Item = usize> {
    let levels = if splits < MIN_SPLITS { 0 } else { splits.ilog(FAN_OUT) + 1 };
    (0..levels).rev().map(|level| FAN_OUT.pow(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_the_splits_of_the_level_before_and_the_last_has_all() {
        assert_eq!(strides(63).count(), 0);
        assert_eq!(strides(64).collect::<Vec<_>>(), [32, 1]);
        assert_eq!(strides(20_000).collect::<Vec<_>>(), [1024, 32, 1]);
    }
}
