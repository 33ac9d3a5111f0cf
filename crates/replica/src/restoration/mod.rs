//! Bringing back the content of an earlier version of a document, as a new change.
//!
//! The earlier version is a document of its own. Its content is compared with the present one, root type by root type, and only
//! what differs is written. What both versions have stays the same item of Yjs, so positions in it and what others write there
//! meanwhile survive.
//!
//! Invariant: a document that was restored has the content of the earlier version. Otherwise the restoration has failed.

mod blank;
mod sequence_writer;
mod text_steps;
mod writer;

use bytes::Bytes;
use protocol::{
    domain::{CompareUntil, Delta, Exhausted},
    wire::yjs::{Outline, OutlineError},
};
use thiserror::Error;
use yrs::{ClientID, ReadTxn as _, StateVector, Transact as _, TransactionMut};

use super::{
    body::BodyMismatch,
    branches::root_pairs,
    comparison::ReadAllowance,
    cuts::Splits,
    merge::{MergeBounds, MergeError},
    panic_guard::guarded,
    parts::Extent,
    replica::Replica,
};
pub(crate) use sequence_writer::SequenceWriter;
use writer::Writer;

/// The reason why the content of an earlier version was not brought back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// Something in a root type is of a kind that cannot be written again.
    #[error("the content of the root type {name:?} cannot be brought back")]
    Unrestorable {
        /// The name of the root type.
        name: String,
    },
    /// The new content is not content of the root type.
    #[error(transparent)]
    Mismatch(#[from] BodyMismatch),
    /// The document would break a limit.
    #[error(transparent)]
    Limit(#[from] MergeError),
    /// It was stopped, or the budget ended.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// The change that brings an earlier version back.
pub struct Restored {
    /// The change of the text with its formats and embedded objects. Empty if only other root types changed.
    pub delta: Delta,
    /// The change as one Yjs v1 update.
    pub update: Bytes,
}

impl Replica {
    /// Gives the document the content that it had at an earlier version: text with its formats and embedded objects, XML, maps
    /// and arrays, in all root types. Returns `None` if it has that content already.
    ///
    /// # Errors
    /// [`RestoreError`]. The replica is not returned then, because it may have a part of the content.
    pub fn restore(
        mut self,
        earlier: &Self,
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Restored>, RestoreError>) {
        match self.try_restore(earlier, bounds) {
            Ok(restored) => (Some(self), Ok(restored)),
            Err(error) => (None, Err(error)),
        }
    }

    fn try_restore(
        &mut self,
        earlier: &Self,
        bounds: &MergeBounds,
    ) -> Result<Option<Restored>, RestoreError> {
        let roots = root_pairs(self, earlier);
        let then = earlier.doc.transact();
        self.write_restored(bounds, |txn, until| {
            let allowance = ReadAllowance::default();
            let sequences = SequenceWriter { txn, until, allowance };
            let mut writer = Writer { sequences, then: &then };
            roots.iter().try_for_each(|root| {
                let [present, then] = root.branches;
                writer.restore(present, then).map_err(|failure| failure.in_root(&root.name))
            })
        })
    }

    /// Runs `work`, which writes content into the document. Returns `None` if it writes nothing.
    ///
    /// # Errors
    /// The error of `work`, or the document would break a limit. It may have a part of the content then.
    pub(crate) fn write_restored(
        &mut self,
        bounds: &MergeBounds,
        work: impl FnOnce(&mut TransactionMut<'_>, &CompareUntil) -> Result<(), RestoreError>,
    ) -> Result<Option<Restored>, RestoreError> {
        let until = CompareUntil { deadline: bounds.compare_until, budget: bounds.budget.clone() };
        let known = self.doc.transact().state_vector();
        let size_before = self.weight_with(0, bounds.state);
        let applied = guarded(&self.doc, |txn| {
            let mut outcome = Ok(());
            let applied = self.apply_observed(txn, |txn| {
                outcome = work(txn, &until);
                Ok(Extent::Whole)
            })?;
            Ok(outcome.map(|()| applied))
        });
        let applied = applied.map_err(MergeError::Malformed)??;
        let Some(update) = applied.update else { return Ok(None) };
        let (delta, content) =
            self.text_after(applied.steps, applied.units, Splits::Anywhere, bounds)?;
        self.content = content;
        self.count_restored(&update, &known, size_before, bounds)?;
        Ok(Some(Restored { delta, update: update.into() }))
    }

    /// Counts an update that was written here, and checks the limits of the document, which may exceed them if it becomes smaller.
    /// `known` is the state vector before.
    fn count_restored(
        &mut self,
        update: &[u8],
        known: &StateVector,
        size_before: usize,
        bounds: &MergeBounds,
    ) -> Result<(), MergeError> {
        let malformed = |error: OutlineError| MergeError::Malformed(error.to_string());
        let outline = Outline::read(update, usize::MAX).map_err(malformed)?;
        let known = |client: u64| known.get(&ClientID::new(client));
        self.conflicts.add(&outline, known).map_err(malformed)?;
        self.conflicts.confirm();
        self.weight.add(update.len());
        self.structs.add_update(&outline);
        self.note_format_growth(outline.format_growth(known))?;
        // They are read again before the next update with types.
        self.depths = None;
        let limit = bounds.document_structs;
        if !self.may_have_more_structs(0, limit) {
            return Err(MergeError::DocumentTooManyStructs { limit });
        }
        let (size, limit) = (self.weight_with(0, bounds.state), bounds.state);
        if size > limit && size > size_before {
            return Err(MergeError::TooLarge { size, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "restoration_tests.rs"]
mod tests;
