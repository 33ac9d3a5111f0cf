//! How what Yjs editors wrote gets into the replica.
//!
//! An update is looked through before the library sees it ([`Outline`]): that it is one, that it is not too much, that
//! everything it hangs on is here, and that it does not go on with another history. What it does to the plain text is
//! what the library says of it; where that cannot be put into the words of a delta, because it split a character in two,
//! the texts before and after are compared.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use yrs::{
    Any, ClientID, Observable as _, Out, ReadTxn as _, StateVector, Text as _, Transact as _,
    TransactionMut, Update, types::Delta as YjsStep, updates::decoder::Decode as _,
};

use super::{
    panic_guard::guarded,
    replica::{OBJECT, Replica},
};
use protocol::{
    domain::{Content, Delta, DeltaStep},
    wire::yjs::{Depths, MAX_CLIENT, Outline, OutlineError},
};

/// Under which name the text is observed while an update is applied.
const OBSERVER: &str = "merging";

/// What an update may be.
#[derive(Debug, Clone)]
pub struct MergeBounds {
    /// The largest text, in bytes of UTF-8.
    pub text: usize,
    /// The largest document as Yjs holds it, in bytes.
    pub state: usize,
    /// The most structs that an update may have.
    pub structs: usize,
    /// After it, texts are compared coarsely.
    pub compare_until: Instant,
}

/// Why an update was not merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// It is no update, or none that is supported.
    #[error("the update is not one that can be merged: {0}")]
    Malformed(String),
    /// It hangs on something that is not here. Its client has to say what it has.
    #[error("the update hangs on something that is not here")]
    OutOfStep,
    /// It belongs to another history of the document.
    #[error("the update belongs to another history of the document")]
    Unrelated,
    /// It has too many structs.
    #[error("the update has more than {limit} structs")]
    TooManyStructs {
        /// How many it may have.
        limit: usize,
    },
    /// The document would become too large.
    #[error("the document would have {size} bytes of at most {limit}")]
    TooLarge {
        /// The bytes that it would have.
        size: usize,
        /// The bytes that it may have.
        limit: usize,
    },
    /// It puts something into the text that is neither text nor stands in one.
    #[error("the update makes something else of the text `content`")]
    NotText,
}

/// What an update did.
pub struct Merged {
    /// The change of the plain text.
    pub delta: Delta,
    /// The update that holds everything that was new, in Yjs v1 encoding.
    pub update: Bytes,
    /// Whether something was left out that hangs on what is not here.
    pub leaves_out: bool,
}

impl Merged {
    /// How the text changed; empty if it is the same.
    #[must_use]
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// What is new in it, as one Yjs v1 update.
    #[must_use]
    pub fn update(&self) -> &Bytes {
        &self.update
    }
}

/// What applying updates did, as the library says it.
struct Applied {
    steps: Option<Vec<DeltaStep>>,
    /// Nothing, if nothing changed.
    update: Option<Vec<u8>>,
    is_whole: bool,
    /// How long the text is after it, in UTF-16 code units.
    units: usize,
}

/// What there is to be applied.
#[derive(Default)]
struct Fitting<'a> {
    /// Each after what it hangs on.
    updates: Vec<&'a Bytes>,
    /// Whether the document may be another one after them.
    may_change: bool,
    /// Whether something in them may split characters without a word in the delta: they insert what they delete, or
    /// something that is no text.
    may_split: bool,
    /// Whether some hang on something that is not here.
    leaves_out: bool,
}

impl Replica {
    /// Merges updates of one client. Gives nothing where they bring nothing new. What hangs on something that is not here
    /// is left out.
    ///
    /// The replica is lost with an update that turned out to be unmergeable only when it had been applied.
    ///
    /// # Errors
    /// [`MergeError`].
    pub fn merge(
        mut self,
        updates: &[Bytes],
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Merged>, MergeError>) {
        let fitting = match self.look_through(updates, bounds) {
            Ok(fitting) => fitting,
            Err(refused) => return (Some(self), Err(refused)),
        };
        if !fitting.may_change {
            let refused = Err(MergeError::OutOfStep);
            return (Some(self), if fitting.leaves_out { refused } else { Ok(None) });
        }
        let applied = match self.apply_updates(&fitting.updates) {
            Ok(applied) => applied,
            Err(refused) => return (None, Err(refused)),
        };
        if !applied.is_whole {
            let what = "its parts hang on each other".to_owned();
            return (None, Err(MergeError::Malformed(what)));
        }
        let leaves_out = fitting.leaves_out;
        let Some(update) = applied.update else {
            let refused = Err(MergeError::OutOfStep);
            return (Some(self), if leaves_out { refused } else { Ok(None) });
        };
        let after = self.after(applied.steps, applied.units, fitting.may_split, bounds);
        let (delta, content) = match after {
            Ok(after) => after,
            Err(refused) => return (None, Err(refused)),
        };
        // A text that is too large already, under a smaller limit than it was written with, may still shrink.
        if content.bytes() > bounds.text && content.bytes() > self.content.bytes() {
            let (size, limit) = (content.bytes(), bounds.text);
            return (None, Err(MergeError::TooLarge { size, limit }));
        }
        self.content = content;
        self.weight.add(update.len());
        (Some(self), Ok(Some(Merged { delta, update: update.into(), leaves_out })))
    }

    /// What of it can be applied, and in which order.
    fn look_through<'a>(
        &mut self,
        updates: &'a [Bytes],
        bounds: &MergeBounds,
    ) -> Result<Fitting<'a>, MergeError> {
        let state = self.doc.transact().state_vector();
        let mut reach: HashMap<u64, u32> = HashMap::new();
        let mut waiting = Vec::with_capacity(updates.len());
        for update in updates {
            let outline = Outline::read(update, bounds.structs).map_err(|error| match error {
                OutlineError::TooManyStructs => {
                    MergeError::TooManyStructs { limit: bounds.structs }
                }
                error => MergeError::Malformed(error.to_string()),
            })?;
            waiting.push((update, outline));
        }
        let (mut fitting, mut brings, mut bytes) = (Fitting::default(), false, 0);
        let (mut inserts, mut deletes, mut is_text) = (false, false, true);
        // What came first may hang on what came after it, when that is everything that its client has.
        loop {
            let known = |client: u64| {
                let stored = state.get(&ClientID::new(client));
                reach.get(&client).map_or(stored, |reached| stored.max(*reached))
            };
            let fits = |(_, outline): &(&Bytes, Outline)| outline.is_complete(known);
            let Some(index) = waiting.iter().position(fits) else { break };
            let (update, outline) = waiting.remove(index);
            if outline.newcomers(known).any(|client| client > MAX_CLIENT) {
                return Err(MergeError::Unrelated);
            }
            brings |= outline.newcomers(known).next().is_some();
            fitting.may_change |= outline.may_change(known);
            self.look_into_depth(&outline, known)?;
            let does = outline.does();
            (inserts, deletes, is_text) = (inserts | does.0, deletes | does.1, is_text & does.2);
            for (client, _start, end) in outline.ranges() {
                let reached = reach.entry(client).or_default();
                *reached = end.max(*reached);
            }
            bytes += update.len();
            fitting.updates.push(update);
        }
        fitting.leaves_out = !waiting.is_empty();
        fitting.may_split = !is_text || (inserts && deletes);
        let limit = bounds.state;
        if brings {
            let size = self.weight_with(bytes, limit);
            if size > limit {
                return Err(MergeError::TooLarge { size, limit });
            }
        }
        Ok(fitting)
    }

    /// Sees that types are not nested too deep, where there are types.
    fn look_into_depth(
        &mut self,
        outline: &Outline,
        known: impl Fn(u64) -> u32,
    ) -> Result<(), MergeError> {
        if self.depths.is_none() && !outline.has_types() {
            return Ok(());
        }
        let malformed = |error: OutlineError| MergeError::Malformed(error.to_string());
        let mut depths = match self.depths.take() {
            Some(depths) => depths,
            None => {
                let mut depths = Depths::default();
                let all = Outline::read(&self.state(), usize::MAX).map_err(malformed)?;
                depths.add(&all, |_client| 0).map_err(malformed)?;
                depths
            }
        };
        depths.add(outline, known).map_err(malformed)?;
        self.depths = Some(depths);
        Ok(())
    }

    /// Applies updates that have been looked through. Should the library panic over them all the same, the update is
    /// refused; what it left behind then is never touched again, not even to free it.
    fn apply_updates(&self, updates: &[&Bytes]) -> Result<Applied, MergeError> {
        let applied = guarded(&self.doc, |txn| {
            let mut decoded = Vec::with_capacity(updates.len());
            for update in updates {
                decoded.push(Update::decode_v1(update).map_err(|error| error.to_string())?);
            }
            self.apply_decoded(txn, decoded)
        });
        applied.map_err(MergeError::Malformed)
    }

    fn apply_decoded(
        &self,
        txn: &mut TransactionMut<'_>,
        updates: Vec<Update>,
    ) -> Result<Applied, String> {
        let before: StateVector = txn.state_vector();
        let steps = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&steps);
        self.text.observe(OBSERVER, move |txn, event| {
            *seen.lock() = Some(event.delta(txn).iter().map(step).collect());
        });
        for update in updates {
            txn.apply_update(update).map_err(|error| error.to_string())?;
        }
        txn.commit();
        self.text.unobserve(OBSERVER);
        let is_new = txn.state_vector() != before || !txn.delete_set().is_empty();
        let steps = steps.lock().take();
        Ok(Applied {
            steps,
            update: is_new.then(|| txn.encode_update_v1()),
            is_whole: !txn.has_missing_updates(),
            units: self.text.len(txn) as usize,
        })
    }

    /// How the text changed, and what it is now.
    fn after(
        &self,
        steps: Option<Vec<DeltaStep>>,
        units: usize,
        may_split: bool,
        bounds: &MergeBounds,
    ) -> Result<(Delta, Content), MergeError> {
        let delta = Delta::from_steps(steps.unwrap_or_default());
        let is_astral = |text: &str| text.chars().any(|c| c.len_utf16() > 1);
        let guess = delta.ok().and_then(|delta| {
            let content = self.content.apply(&delta).ok()?;
            Some((delta, content))
        });
        if let Some((delta, content)) = guess
            && content.units() == units
        {
            // Only what takes two code units can have been split in two; where the delta says so, it does not fit.
            let has_pairs = self.content.has_pairs() || delta.inserts(is_astral);
            if !(may_split && has_pairs) || content == *self.plain_text() {
                return Ok((delta, content));
            }
        }
        let text = self.plain_text();
        let content = Content::from(&*text);
        if content.units() != units {
            return Err(MergeError::NotText);
        }
        let delta = Delta::between(&self.content.to_string(), &text, bounds.compare_until);
        Ok((delta, content))
    }
}

fn step(step: &YjsStep) -> DeltaStep {
    match step {
        YjsStep::Inserted(Out::Any(Any::String(text)), _) => {
            DeltaStep { insert: Some(text.to_string()), ..DeltaStep::default() }
        }
        YjsStep::Inserted(..) => {
            DeltaStep { insert: Some(OBJECT.to_owned()), ..DeltaStep::default() }
        }
        YjsStep::Deleted(units) => {
            DeltaStep { delete: Some(i64::from(*units)), ..DeltaStep::default() }
        }
        YjsStep::Retain(units, _) => {
            DeltaStep { retain: Some(i64::from(*units)), ..DeltaStep::default() }
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
