//! Merging of Yjs updates into the replica.
//!
//! Updates are inspected before the library decodes them (`inspection`). The library reports the change of the plain text
//! as steps of a delta. If these do not fit the text, because an update split a character, the texts before and after are
//! compared instead.
//!
//! A large update is applied in parts. When the budget ends, the rest is left out, as if its dependencies were missing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::{
    domain::{Budget, CompareUntil, Content, Delta, DeltaStep},
    wire::yjs::Outline,
};
use thiserror::Error;
use yrs::{Observable as _, ReadTxn as _, StateVector, Text as _, TransactionMut};

use super::{
    cuts::Splits,
    delta_steps::{besides_present, has_formats, present_formats, steps_of_event},
    format_limit::TooManyFormats,
    marks::Marks,
    panic_guard::guarded,
    parts::{Extent, PartLimits, apply_in_parts},
    replica::Replica,
};

/// The key of the text's observer while updates are applied.
const OBSERVER: &str = "merge";

/// The limits of a merge.
#[derive(Debug, Clone)]
pub struct MergeBounds {
    /// The maximum size of the text, in bytes of UTF-8.
    pub text: usize,
    /// The maximum size of the document's Yjs state, in bytes.
    pub state: usize,
    /// The maximum number of structs in an update, and of deleted ranges that are merged at once.
    pub structs: usize,
    /// The maximum number of structs in the document.
    pub document_structs: usize,
    /// The number of clients in the document up to which an update may add one.
    pub clients: usize,
    /// The time after which texts are compared coarsely.
    pub compare_until: Instant,
    /// The steps that may be spent: one for each struct and deleted range.
    pub budget: Budget,
}

/// The reason why updates were not merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// An update is not validly encoded, or nests types too deeply.
    #[error("the update cannot be merged: {0}")]
    Malformed(String),
    /// Nothing was merged, because all updates depend on others that are missing or because the budget ended. The server
    /// must request what is missing with sync step 1.
    #[error("the update depends on one that is missing")]
    MissingDependencies,
    /// An update belongs to another history of the document.
    #[error("the update belongs to another history of the document")]
    Unrelated,
    /// An update has too many structs.
    #[error("the update has more than {limit} structs")]
    TooManyStructs {
        /// The maximum number.
        limit: usize,
    },
    /// An update has more deleted ranges than any document that can be loaded. An editor that reconnects sends all deleted ranges of the
    /// document.
    #[error("the update has more than {limit} deleted ranges")]
    TooManyDeletions {
        /// The maximum number.
        limit: usize,
    },
    /// The document would have too many structs.
    #[error("the document has {limit} structs")]
    DocumentTooManyStructs {
        /// The maximum number.
        limit: usize,
    },
    /// Loading the document would take too long, because clients made too many insertions at the same places without seeing
    /// those of each other.
    #[error("too many insertions at the same places did not see each other")]
    TooManyConflicts,
    /// The document would have changes of too many clients.
    #[error("the document has changes of {limit} clients")]
    TooManyClients {
        /// The maximum number.
        limit: usize,
    },
    /// The formats of the document would be copied too often when its texts are read.
    #[error("the formats of the document would be copied more than {limit} times")]
    TooManyFormats {
        /// The maximum of the names of formats in a text times its pieces, added up over the texts.
        limit: u64,
    },
    /// The document would become too large.
    #[error("the document would have {size} bytes; the limit is {limit}")]
    TooLarge {
        /// The resulting size in bytes.
        size: usize,
        /// The maximum size in bytes.
        limit: usize,
    },
    /// An update adds content to the root type `content` that is not text.
    #[error("the update uses the root type `content` as another type than text")]
    NotText,
    /// An update changes the root type `coscribe`.
    #[error("the update changes the root type `coscribe`, which only the server writes")]
    ServerRoot,
}

impl From<TooManyFormats> for MergeError {
    fn from(TooManyFormats { limit }: TooManyFormats) -> Self {
        Self::TooManyFormats { limit }
    }
}

/// The result of a merge.
pub struct Merged {
    /// The change of the text with its formats and embedded objects. Empty if only other root types changed.
    pub delta: Delta,
    /// All new structs and deletions, as one Yjs v1 update.
    pub update: Bytes,
    /// Whether updates were left out because of missing dependencies, or parts of them because of a limit.
    pub leaves_out: bool,
    /// Whether content was left out because it is not supported, such as a hook of XML.
    pub drops_content: bool,
}

/// The effect of a transaction, as the library reports it.
pub(crate) struct Applied {
    /// The steps of the text's delta. `None` if the text did not change.
    pub(crate) steps: Option<Vec<DeltaStep>>,
    /// The changes as one update. `None` if nothing changed.
    pub(crate) update: Option<Vec<u8>>,
    /// Whether the library applied everything.
    is_complete: bool,
    /// The new length of the text, in UTF-16 code units.
    pub(crate) units: usize,
    extent: Extent,
}

impl Replica {
    /// Merges updates of one client. Returns `None` if they contain nothing new. Leaves out updates with missing
    /// dependencies, and the rest when the budget ends or many ranges were deleted. At least one part of an update that is new
    /// to the document is merged, so merging the rest again and again comes to an end.
    ///
    /// # Errors
    /// [`MergeError`]. The replica is returned, unchanged, only if the error was found before the updates were applied.
    pub fn merge(
        mut self,
        updates: &[Bytes],
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Merged>, MergeError>) {
        let mut inspected = match self.inspect(updates, bounds) {
            Ok(inspected) => inspected,
            Err(error) => return (Some(self), Err(error)),
        };
        let nothing_new = |leaves_out| match leaves_out {
            true => Err(MergeError::MissingDependencies),
            false => Ok(None),
        };
        if !inspected.may_change {
            return (Some(self), nothing_new(inspected.leaves_out));
        }
        let applied = match self.apply_updates(&mut inspected.updates, bounds) {
            Ok(applied) => applied,
            Err(error) => return (None, Err(error)),
        };
        let leaves_out = inspected.leaves_out || applied.extent == Extent::Part;
        let Some(update) = applied.update else { return (Some(self), nothing_new(leaves_out)) };
        let splits = inspected.splits();
        let text = self.text_after(applied.steps, applied.units, splits, bounds);
        let (delta, content) = match text {
            Ok(text) => text,
            Err(error) => return (None, Err(error)),
        };
        self.content = content;
        self.weight.add(update.len());
        self.structs.add(inspected.added_structs);
        self.structs.add_values(inspected.added_values);
        (
            Some(self),
            Ok(Some(Merged {
                delta,
                update: update.into(),
                leaves_out,
                drops_content: inspected.drops_content,
            })),
        )
    }

    /// Applies inspected updates. If the library panics nevertheless, they are rejected, and the document is leaked.
    fn apply_updates(
        &self,
        updates: &mut [(Bytes, Outline)],
        bounds: &MergeBounds,
    ) -> Result<Applied, MergeError> {
        let applied = guarded(&self.doc, |txn| {
            let marks = Marks::read(txn);
            let applied = self.apply_observed(txn, |txn| self.apply_parts(txn, updates, bounds))?;
            Ok((applied, marks == Marks::read(txn)))
        });
        let (applied, keeps_marks) = applied.map_err(MergeError::Malformed)?;
        if !keeps_marks && !self.is_adopting {
            return Err(MergeError::ServerRoot);
        }
        if !applied.is_complete {
            let cycle = "its parts depend on each other in a cycle".to_owned();
            return Err(MergeError::Malformed(cycle));
        }
        Ok(applied)
    }

    /// Runs `work`, which changes the document, and returns its effect.
    pub(crate) fn apply_observed(
        &self,
        txn: &mut TransactionMut<'_>,
        work: impl FnOnce(&mut TransactionMut<'_>) -> Result<Extent, String>,
    ) -> Result<Applied, String> {
        let before: StateVector = txn.state_vector();
        let present = match self.may_have_formats.load(Ordering::Relaxed) {
            true => present_formats(&self.text, txn),
            false => Some(Delta::default()),
        };
        let observed = Arc::new(Mutex::new(None));
        let observer = Arc::clone(&observed);
        self.text.observe(OBSERVER, move |txn, event| {
            let event = event.delta(txn);
            *observer.lock() = Some((steps_of_event(event, txn), has_formats(event)));
        });
        let extent = work(txn)?;
        txn.commit();
        self.text.unobserve(OBSERVER);
        let has_changed = txn.state_vector() != before || !txn.delete_set().is_empty();
        let (steps, brings_formats) = observed.lock().take().unzip();
        self.note_formats(present.as_ref(), brings_formats.unwrap_or_default());
        let steps = match (steps, present) {
            (Some(steps), Some(present)) => Some(besides_present(steps, &present)),
            (steps, _) => steps,
        };
        Ok(Applied {
            steps,
            update: has_changed.then(|| txn.encode_update_v1()),
            is_complete: !txn.has_missing_updates(),
            units: self.text.len(txn) as usize,
            extent,
        })
    }

    /// Notes whether the text may have formats, after a change that brings formats or not. `present` has those before it, if they
    /// were not too large to be read.
    fn note_formats(&self, present: Option<&Delta>, brings_formats: bool) {
        if let Some(present) = present {
            let may_have_formats = brings_formats || !present.is_empty();
            self.may_have_formats.store(may_have_formats, Ordering::Relaxed);
        }
    }

    /// Applies updates part by part, until a limit is reached.
    fn apply_parts(
        &self,
        txn: &mut TransactionMut<'_>,
        updates: &mut [(Bytes, Outline)],
        bounds: &MergeBounds,
    ) -> Result<Extent, String> {
        let mut limits = PartLimits::new(self.weight.bytes(), bounds.structs, &bounds.budget);
        let deletions: usize = updates.iter().map(|(_, outline)| outline.deletion_count()).sum();
        if deletions > bounds.structs {
            // Only new ranges count, so that a repetition goes on where the last merge ended.
            updates.iter_mut().for_each(|(_, outline)| limits.leave_out_deleted(txn, outline));
        }
        for (update, outline) in updates {
            let extent = apply_in_parts(&self.text, txn, update, outline, &mut limits)?;
            if extent == Extent::Part {
                return Ok(extent);
            }
        }
        Ok(Extent::Whole)
    }

    /// Returns the delta of the text and the new text, of `units` code units.
    pub(crate) fn text_after(
        &self,
        steps: Option<Vec<DeltaStep>>,
        units: usize,
        splits: Splits<'_>,
        bounds: &MergeBounds,
    ) -> Result<(Delta, Content), MergeError> {
        let reported = self.reported_change(steps, units, splits);
        let (delta, content) = match reported {
            Some(change) => change,
            None => self.compared_change(units, bounds)?,
        };
        // A text may exceed a limit that was lowered after it was written. It may still shrink.
        if content.bytes() > bounds.text && content.bytes() > self.content.bytes() {
            let (size, limit) = (content.bytes(), bounds.text);
            return Err(MergeError::TooLarge { size, limit });
        }
        Ok((delta, content))
    }

    /// Returns the change that the library reports. `None` if it is not the change of the text.
    fn reported_change(
        &self,
        steps: Option<Vec<DeltaStep>>,
        units: usize,
        splits: Splits<'_>,
    ) -> Option<(Delta, Content)> {
        let delta = Delta::from_steps(steps.unwrap_or_default()).ok()?;
        let content = self.content.apply(&delta).ok()?;
        if content.units() != units {
            return None;
        }
        // Only characters of two code units can be split. If the delta itself splits one, it does not fit the text.
        let has_two_units = |text: &str| text.chars().any(|char| char.len_utf16() > 1);
        let has_pairs = self.content.has_pairs() || delta.inserts(has_two_units);
        let may_split = match splits {
            Splits::Anywhere => has_pairs,
            Splits::Before(distant) => self.content.has_pairs() && self.may_cut(&content, distant),
        };
        let is_certain = !may_split || content == *self.plain_text();
        is_certain.then_some((delta, content))
    }

    /// Returns the change by a comparison of the texts before and after.
    fn compared_change(
        &self,
        units: usize,
        bounds: &MergeBounds,
    ) -> Result<(Delta, Content), MergeError> {
        let text = self.plain_text();
        let content = Content::from(&*text);
        if content.units() != units {
            return Err(MergeError::NotText);
        }
        let (deadline, budget) = (bounds.compare_until, bounds.budget.clone());
        let until = CompareUntil { deadline, budget };
        let delta = Delta::between(&self.content.to_string(), &text, &until);
        Ok((delta, content))
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
