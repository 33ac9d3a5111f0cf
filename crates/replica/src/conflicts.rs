//! The limit of the work that loading a document takes.
//!
//! The library passes all concurrent insertions at a place to find that of the next one, so an update can be made to take time
//! that grows with the square of its structs. What was stored once is inserted again whenever the document is loaded. So the
//! work that this takes in the worst order ([`ConflictBound`]) is limited before an update is applied.
//!
//! Computing the bound takes time that is linear in the document. So it is computed only when what was added since the last time
//! may have exceeded the limit. That takes time that is linear in the updates ([`ConflictGrowth`]).

use protocol::wire::yjs::{ConflictBound, ConflictGrowth, Outline, OutlineError, RootEntries};

use super::{merge::MergeError, replica::Replica};

/// The most steps that inserting the structs of a document may take. A step takes 50 to 100 ns, so these take 10 to 20 s in
/// the worst order. Most orders take less.
const MAX_STEPS: u64 = 200_000_000;

/// The most steps that a new struct adds, as a multiple of the items of the document: it splits two others, so there are three
/// new items. Each passes all others, walks past them twice if it is in a map, and is passed by all.
const STEPS_PER_STRUCT: u64 = 12;

/// The bound is computed again after the document has grown by this share at least, so that its time is small against that of
/// the growth.
const GROWTH_SHARE: u64 = 256;

/// Estimate: a struct of an encoded state has at least this many bytes.
const MIN_STRUCT_BYTES: u64 = 4;

/// An update of fewer structs is not examined: each counts as one that may pass every other.
const MIN_STRUCTS_TO_EXAMINE: usize = 64;

/// What is known about the work that inserting the structs of a document takes.
#[derive(Debug, Default)]
pub(crate) struct ConflictMeter {
    /// The bound when it was last computed, and what the document had then and has got since.
    last: Option<(ConflictBound, RootEntries)>,
    added: Added,
}

/// What was added to a document since its bound was computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// At most how many structs and deleted ranges.
    structs: u64,
    /// At most how many of them may pass the items of the document, or split them.
    attached: u64,
    /// The most steps that the others take.
    steps: u64,
}

impl Added {
    /// Adds structs of which nothing else is known.
    fn add(&mut self, structs: u64) {
        self.structs += structs;
        self.attached += structs;
    }
}

impl ConflictMeter {
    /// Counts an update of this many bytes that adds no entry to a map.
    pub(crate) fn add_text_bytes(&mut self, bytes: usize) {
        self.added.add(structs_of(bytes));
    }

    /// Returns what was added until now.
    pub(crate) fn added(&self) -> Added {
        self.added
    }

    /// Keeps what was counted, because it will be in the document.
    pub(crate) fn confirm(&mut self) {
        if let Some((_, entries)) = &mut self.last {
            entries.confirm();
        }
    }

    /// Forgets what was counted since `added`, because it was refused.
    pub(crate) fn take_back(&mut self, added: Added) {
        self.added = added;
        if let Some((_, entries)) = &mut self.last {
            entries.take_back();
        }
    }

    /// Whether counting an update needs the clocks of the document. If not, all of its structs count as new.
    pub(crate) fn needs_clocks(&self, update: &Outline) -> bool {
        self.last.is_some() && update.struct_count() >= MIN_STRUCTS_TO_EXAMINE
    }

    /// Counts the structs and deleted ranges of an update to a document with these clocks, to be confirmed or taken back.
    ///
    /// # Errors
    /// [`OutlineError`] if structs depend on each other in a cycle.
    pub(crate) fn add(
        &mut self,
        update: &Outline,
        known: impl Fn(u64) -> u32,
    ) -> Result<(), OutlineError> {
        let added = &mut self.added;
        added.add(update.deletion_count() as u64);
        let structs = update.new_structs(&known);
        let Some((_, entries)) = &mut self.last else {
            added.add(structs as u64);
            return Ok(());
        };
        if structs < MIN_STRUCTS_TO_EXAMINE {
            added.add(structs as u64);
        } else {
            let growth = ConflictGrowth::of(update, known, entries)?;
            added.structs += structs as u64;
            added.attached += growth.attached as u64;
            added.steps = added.steps.saturating_add(growth.steps);
        }
        entries.add(update);
        Ok(())
    }

    /// Returns whether the bound of a document of `weight` bytes may exceed the limit with what was added, and is worth
    /// computing.
    fn is_due(&self, weight: usize, added: Added) -> bool {
        // A document whose bound is not known may be new altogether.
        let (steps, items, added) = match &self.last {
            Some((last, _)) => (last.steps, last.items as u64, added),
            None => {
                let mut all = added;
                all.add(weight as u64 / MIN_STRUCT_BYTES);
                (0, 0, all)
            }
        };
        let others = items.saturating_add(added.structs.saturating_mul(3));
        let growth = STEPS_PER_STRUCT.saturating_mul(added.attached).saturating_mul(others);
        steps.saturating_add(added.steps).saturating_add(growth) > MAX_STEPS
            && added.structs >= items / GROWTH_SHARE
    }
}

/// Returns at most how many structs an update of this many bytes has.
fn structs_of(bytes: usize) -> u64 {
    bytes as u64 / MIN_STRUCT_BYTES + 1
}

impl Replica {
    /// Estimates the work of computing the bound before updates of `bytes` are merged, in bytes. 0 if it is not computed. Of
    /// the updates only their size is known, so all of them count as attached to the document.
    #[must_use]
    pub fn conflict_check_weight(&self, bytes: usize) -> usize {
        let mut added = self.conflicts.added;
        added.add(structs_of(bytes));
        if self.conflicts.is_due(self.weight.bytes(), added) { self.weight.bytes() } else { 0 }
    }

    /// Checks that the document can be loaded in a limited time after these updates, which were counted.
    ///
    /// # Errors
    /// [`MergeError`] if not.
    pub(crate) fn check_conflicts<'a>(
        &mut self,
        updates: impl Iterator<Item = &'a Outline>,
    ) -> Result<(), MergeError> {
        if !self.conflicts.is_due(self.weight.bytes(), self.conflicts.added) {
            return Ok(());
        }
        let state = self.state();
        self.measure(&state);
        let malformed = |error: OutlineError| MergeError::Malformed(error.to_string());
        let document = Outline::read(&state, usize::MAX).map_err(malformed)?;
        let mut all: Vec<&Outline> = vec![&document];
        for update in updates {
            all.push(update);
        }
        let bound = ConflictBound::of(&all).map_err(malformed)?;
        if bound.steps > MAX_STEPS {
            return Err(MergeError::TooManyConflicts);
        }
        let mut entries = RootEntries::default();
        all.iter().for_each(|outline| entries.add(outline));
        entries.confirm();
        self.conflicts = ConflictMeter { last: Some((bound, entries)), added: Added::default() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::domain::Budget;
    use tokio::time::Instant;
    use yrs::{Doc, Map as _, ReadTxn as _, StateVector, Transact as _};

    use super::*;
    use crate::merge::MergeBounds;

    fn bounds(state: usize) -> MergeBounds {
        MergeBounds {
            text: 10_000_000,
            state,
            structs: 100_000,
            document_structs: usize::MAX,
            clients: usize::MAX,
            compare_until: Instant::now().into_std(),
            budget: Budget::unlimited(),
        }
    }

    /// Returns the update in which a client writes entries of a map under names that begin with its number.
    fn cells(client: u64, count: u32) -> Bytes {
        let doc = Doc::with_client_id(client);
        let map = doc.get_or_insert_map("cells");
        for cell in 0..count {
            map.insert(&mut doc.transact_mut(), format!("{client}-{cell}"), "a cell");
        }
        doc.transact().encode_state_as_update_v1(&StateVector::default()).into()
    }

    fn merged(replica: Replica, update: Bytes) -> Replica {
        let (replica, merged) = replica.merge(&[update], &bounds(usize::MAX));
        assert!(merged.unwrap().is_some());
        replica.unwrap()
    }

    /// The items when the bound was last computed.
    fn items(replica: &Replica) -> Option<usize> {
        replica.conflicts.last.as_ref().map(|(bound, _)| bound.items)
    }

    #[test]
    fn the_bound_is_not_computed_again_for_cells_under_new_names() {
        let mut replica = merged(Replica::of(""), cells(1, 5_000));
        let first = items(&replica).unwrap();
        for client in 2..10 {
            replica = merged(replica, cells(client, 5_000));
        }
        assert_eq!(items(&replica), Some(first));
        // The same names by another client.
        let doc = Doc::with_client_id(20);
        let map = doc.get_or_insert_map("cells");
        for cell in 0..5_000 {
            map.insert(&mut doc.transact_mut(), format!("2-{cell}"), "another cell");
        }
        let same = doc.transact().encode_state_as_update_v1(&StateVector::default());
        replica = merged(replica, same.into());
        assert!(items(&replica).unwrap() > 9 * 5_000);
    }

    /// Each refused update would have the bound computed again otherwise.
    #[test]
    fn an_update_that_is_too_large_is_refused_before_the_bound_is_computed() {
        let mut replica = merged(Replica::of(""), cells(1, 2_000));
        assert_eq!(items(&replica), None);
        for client in 2..4 {
            let (same, refused) = replica.merge(&[cells(client, 5_000)], &bounds(1_000));
            assert!(matches!(refused, Err(MergeError::TooLarge { .. })));
            replica = same.unwrap();
            assert_eq!(items(&replica), None);
        }
        replica = merged(replica, cells(2, 5_000));
        assert!(items(&replica).is_some());
        assert_eq!(replica.conflicts.added, Added::default());
    }

    #[test]
    fn a_refused_update_is_not_counted() {
        let mut replica = merged(Replica::of(""), cells(1, 5_000));
        let before = replica.conflicts.added;
        for _ in 0..3 {
            let (same, refused) = replica.merge(&[cells(2, 1_000)], &bounds(1_000));
            assert!(matches!(refused, Err(MergeError::TooLarge { .. })));
            replica = same.unwrap();
        }
        assert_eq!(replica.conflicts.added, before);
        let first = items(&replica);
        replica = merged(replica, cells(2, 5_000));
        assert_eq!(items(&replica), first, "its names are new");
    }
}
