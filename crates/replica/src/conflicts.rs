//! The limit of the work that loading a document takes.
//!
//! The library passes all concurrent insertions at a place to find that of the next one, so an update can be made to take time
//! that grows with the square of its structs. What was stored once is inserted again whenever the document is loaded. So the
//! work that this takes in the worst order ([`ConflictBound`]) is limited before an update is applied.
//!
//! Computing the bound takes time that is linear in the document. So it is computed only when what was added since the last time
//! may have exceeded the limit.

use protocol::wire::yjs::{ConflictBound, Outline};

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

/// What is known about the work that inserting the structs of a document takes.
#[derive(Debug, Default)]
pub(crate) struct ConflictMeter {
    /// The bound when it was last computed.
    last: Option<ConflictBound>,
    /// At most how many structs and deleted ranges were added since.
    added: u64,
}

impl ConflictMeter {
    /// Counts an update of this many bytes.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.added += bytes as u64 / MIN_STRUCT_BYTES + 1;
    }

    /// Counts the structs and deleted ranges of updates.
    pub(crate) fn add<'a>(&mut self, updates: impl Iterator<Item = &'a Outline>) {
        let sizes = updates.map(|update| update.struct_count() + update.deletion_count());
        self.added += sizes.sum::<usize>() as u64;
    }

    /// Returns whether the bound of a document of `weight` bytes may exceed the limit, and is worth computing.
    fn is_due(&self, weight: usize) -> bool {
        let bound = self.last.map(|last| (last.steps, last.items as u64, self.added));
        // A document whose bound is not known may be new altogether.
        let (steps, items, added) = bound.unwrap_or_else(|| {
            let structs = weight as u64 / MIN_STRUCT_BYTES + self.added;
            (0, 0, structs)
        });
        let growth = STEPS_PER_STRUCT.saturating_mul(added).saturating_mul(items + 3 * added);
        steps.saturating_add(growth) > MAX_STEPS && added >= items / GROWTH_SHARE
    }
}

impl Replica {
    /// Estimates the work of computing the bound before updates of `bytes` are merged, in bytes. 0 if it is not computed.
    #[must_use]
    pub fn conflict_check_weight(&self, bytes: usize) -> usize {
        let last = self.conflicts.last;
        let mut after = ConflictMeter { last, added: self.conflicts.added };
        after.add_bytes(bytes);
        if after.is_due(self.weight.bytes()) { self.weight.bytes() } else { 0 }
    }

    /// Checks that the document can be loaded in a limited time after these updates, which were counted.
    ///
    /// # Errors
    /// [`MergeError`] if not.
    pub(crate) fn check_conflicts<'a>(
        &mut self,
        updates: impl Iterator<Item = &'a Outline>,
    ) -> Result<(), MergeError> {
        if !self.conflicts.is_due(self.weight.bytes()) {
            return Ok(());
        }
        let state = self.state();
        self.measure(&state);
        let malformed =
            |error: protocol::wire::yjs::OutlineError| MergeError::Malformed(error.to_string());
        let document = Outline::read(&state, usize::MAX).map_err(malformed)?;
        let mut all: Vec<&Outline> = vec![&document];
        for update in updates {
            all.push(update);
        }
        let bound = ConflictBound::of(&all).map_err(malformed)?;
        if bound.steps > MAX_STEPS {
            return Err(MergeError::TooManyConflicts);
        }
        self.conflicts = ConflictMeter { last: Some(bound), added: 0 };
        Ok(())
    }
}
