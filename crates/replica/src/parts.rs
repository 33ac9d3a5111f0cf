//! Application of an update part by part.
//!
//! The library cannot be interrupted while it applies an update, so a large one is divided. Between two parts the work may
//! end. What was applied until then is a valid document.

use std::{collections::HashMap, ops::Range};

use protocol::{
    domain::{Budget, Exhausted},
    wire::yjs::{InsertionPart, Outline},
};
use yrs::{
    ClientID, ReadTxn, StateVector, TextRef, TransactionMut, Update, updates::decoder::Decode as _,
};

use super::splits::split_at_insertions;

/// The least and the most structs in a part of an update.
const PART_SIZE: Range<usize> = 1..512;

/// A part has as many structs as this size contains the document. A struct may have to be compared with every other one,
/// so this bounds the time that one part takes to some ten milliseconds.
const PART_BYTES: usize = 32 * 1024 * 1024;

/// The structs for which the document is split at once. More at once are faster, but if the work ends before they are applied,
/// the library joins the split structs again, in time that grows with the square.
const MAX_STRUCTS_SPLIT_FOR: usize = 32 * 1024;

/// With fewer deleted ranges, applying those that are deleted already is faster than finding them.
const MIN_RANGES_TO_FILTER: usize = 64;

/// Smaller stored updates are applied at once.
const MIN_BYTES_TO_DIVIDE: usize = 16 * 1024;

/// The least and the most structs in a part of a stored update.
const STORED_PART_SIZE: Range<usize> = 16..512;

/// A part of a stored update has as many structs that each of them may be compared with all others of the document in this many
/// steps, about a tenth of a second. In a document of very many structs it may take about a second.
const PART_STEPS: usize = 2_000_000;

/// The limits of updates that are applied together.
pub(crate) struct PartLimits<'a> {
    /// The most deleted ranges that may still be applied.
    deletions: usize,
    /// The most structs in a part.
    part_size: usize,
    /// Whether the structs of the document are split before others are inserted into them.
    splits_first: bool,
    budget: &'a Budget,
    /// Whether the steps are spent already.
    is_paid: bool,
    /// Whether a part was applied. The first one is applied whatever the budget is, so that repeated work comes to an end.
    has_applied: bool,
    /// What the document had deleted when that was first needed, by client. Finding it takes a pass over the document.
    deleted: Option<HashMap<u64, Vec<Range<u32>>>>,
}

impl<'a> PartLimits<'a> {
    /// Returns the limits for a document of this size in bytes, with at most this many deleted ranges.
    pub(crate) fn new(document: usize, deletions: usize, budget: &'a Budget) -> Self {
        let part_size = (PART_BYTES / document.max(1)).clamp(PART_SIZE.start, PART_SIZE.end);
        Self {
            deletions: deletions.max(1),
            part_size,
            splits_first: true,
            budget,
            is_paid: false,
            has_applied: false,
            deleted: None,
        }
    }

    /// Leaves out of an outline what the document had deleted before the updates.
    pub(crate) fn leave_out_deleted(&mut self, txn: &impl ReadTxn, outline: &mut Outline) {
        outline.leave_out_deleted(self.deleted.get_or_insert_with(|| deleted(txn)));
    }

    /// Spends the steps of a part, unless they are spent already. Returns whether it may be applied.
    fn may_apply(&mut self, steps: usize) -> bool {
        let steps = if self.is_paid { 0 } else { steps };
        let is_within_budget = self.budget.spend(steps).is_ok();
        let may_apply = is_within_budget || !self.has_applied;
        self.has_applied = true;
        may_apply
    }
}

/// Whether all of an update was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// A limit was reached before the last part.
    Part,
}

/// Applies `update`, which `outline` outlines, until a limit is reached. Leaves deletions out of `outline` that `txn` has.
///
/// # Errors
/// A message for the client if the update is malformed.
pub(crate) fn apply_in_parts(
    text: &TextRef,
    txn: &mut TransactionMut<'_>,
    update: &[u8],
    outline: &mut Outline,
    limits: &mut PartLimits<'_>,
) -> Result<Extent, String> {
    if outline.is_one_part(limits.part_size) && outline.deletion_count() <= limits.deletions {
        if !limits.may_apply(outline.struct_count() + outline.deletion_count()) {
            return Ok(Extent::Part);
        }
        apply(txn, update)?;
        limits.deletions -= outline.deletion_count();
        return Ok(Extent::Whole);
    }
    let known: StateVector = txn.state_vector();
    let known = |client: u64| known.get(&ClientID::new(client));
    let parts = outline.insertion_parts(update, limits.part_size, known);
    let parts = parts.map_err(|error| error.to_string())?;
    for parts in parts.chunks((MAX_STRUCTS_SPLIT_FOR / limits.part_size).max(1)) {
        if insert(text, txn, parts, limits)? == Extent::Part {
            return Ok(Extent::Part);
        }
    }
    delete(txn, outline, limits)
}

/// Applies a stored update, which `outline` outlines, to a document that has `size` structs with it. A large one is divided: it
/// takes linear time then, and the work can end between two parts.
///
/// # Errors
/// A message if the update is malformed. The inner error if the budget ended: the document is not complete then.
pub(crate) fn apply_stored(
    text: &TextRef,
    txn: &mut TransactionMut<'_>,
    update: &[u8],
    outline: &mut Outline,
    size: usize,
    budget: &Budget,
) -> Result<Result<(), Exhausted>, String> {
    if update.len() < MIN_BYTES_TO_DIVIDE {
        return apply(txn, update).map(Ok);
    }
    let part_size = (PART_STEPS / size.max(1)).clamp(STORED_PART_SIZE.start, STORED_PART_SIZE.end);
    let mut limits = PartLimits {
        deletions: usize::MAX,
        part_size,
        // The structs of a state were split when they were stored.
        splits_first: !txn.state_vector().is_empty(),
        budget,
        is_paid: true,
        has_applied: true,
        deleted: None,
    };
    let extent = apply_in_parts(text, txn, update, outline, &mut limits)?;
    Ok(match extent {
        Extent::Whole => Ok(()),
        Extent::Part => Err(budget.spend(0).err().unwrap_or(Exhausted::Steps)),
    })
}

fn insert(
    text: &TextRef,
    txn: &mut TransactionMut<'_>,
    parts: &[InsertionPart],
    limits: &mut PartLimits<'_>,
) -> Result<Extent, String> {
    if limits.splits_first && limits.budget.spend(0).is_ok() {
        let splits = parts.iter().flat_map(|part| part.splits.iter().copied());
        split_at_insertions(text, txn, splits);
    }
    for part in parts {
        if !limits.may_apply(part.structs) {
            return Ok(Extent::Part);
        }
        apply(txn, &part.update)?;
    }
    Ok(Extent::Whole)
}

fn delete(
    txn: &mut TransactionMut<'_>,
    outline: &mut Outline,
    limits: &mut PartLimits<'_>,
) -> Result<Extent, String> {
    if outline.deletion_count() >= MIN_RANGES_TO_FILTER {
        limits.leave_out_deleted(txn, outline);
    }
    let is_whole = outline.deletion_count() <= limits.deletions;
    for part in outline.deletion_parts(limits.deletions) {
        if !limits.may_apply(part.ranges) {
            return Ok(Extent::Part);
        }
        apply(txn, &part.update)?;
        limits.deletions -= part.ranges;
    }
    Ok(if is_whole { Extent::Whole } else { Extent::Part })
}

/// Returns the deleted ranges of each client in the document.
pub(crate) fn deleted(txn: &impl ReadTxn) -> HashMap<u64, Vec<Range<u32>>> {
    let snapshot = txn.snapshot();
    let ranges = snapshot
        .delete_set
        .iter()
        .map(|(client, ranges)| (client.get(), ranges.iter().cloned().collect()));
    ranges.collect()
}

fn apply(txn: &mut TransactionMut<'_>, update: &[u8]) -> Result<(), String> {
    let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
    txn.apply_update(update).map_err(|error| error.to_string())
}
