//! How what Yjs editors wrote gets into the replica.
//!
//! An update is looked through before the library sees it ([`Outline`]): that it is one, that it is not too much, that
//! everything it hangs on is here, and that it does not go on with another history. What it does to the plain text is
//! what the library says of it; where that cannot be put into the words of a delta, because it split a character in two,
//! the texts before and after are compared.

use std::{
    collections::HashMap,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use yrs::{
    Any, ClientID, Observable as _, Out, ReadTxn as _, StateVector, Text as _, Transact as _,
    TransactionMut, Update, types::Delta as YjsStep, updates::decoder::Decode as _,
};

use super::replica::{OBJECT, Replica};
use crate::{
    domain::{Content, Delta, DeltaStep},
    wire::yjs::{Depths, LARGEST_CLIENT, Outline, OutlineError},
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
    /// Ids of clients under which nobody else may write: those of the others who are here.
    pub others: Arc<[u64]>,
    /// After it, texts are compared coarsely.
    pub compare_until: Instant,
}

/// Why an update was not merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unmergeable {
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
    pub(super) delta: Delta,
    pub(super) update: Bytes,
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

impl Replica {
    /// Merges updates of one client, which follow each other. Gives nothing where they bring nothing new.
    ///
    /// The replica is lost with an update that turned out to be unmergeable only when it had been applied.
    ///
    /// # Errors
    /// [`Unmergeable`].
    pub fn merge(
        mut self,
        updates: &[Bytes],
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Merged>, Unmergeable>) {
        match self.look_through(updates, bounds) {
            Ok(true) => {}
            Ok(false) => return (Some(self), Ok(None)),
            Err(refused) => return (Some(self), Err(refused)),
        }
        let applied = match self.apply_updates(updates) {
            Ok(applied) => applied,
            Err(refused) => return (None, Err(refused)),
        };
        if !applied.is_whole {
            return (None, Err(Unmergeable::OutOfStep));
        }
        let Some(update) = applied.update else { return (Some(self), Ok(None)) };
        let (delta, content) = match self.after(applied.steps, applied.units, bounds) {
            Ok(after) => after,
            Err(refused) => return (None, Err(refused)),
        };
        // A text that is too large already, under a smaller limit than it was written with, may still shrink.
        if content.bytes() > bounds.text && content.bytes() > self.content.bytes() {
            let (size, limit) = (content.bytes(), bounds.text);
            return (None, Err(Unmergeable::TooLarge { size, limit }));
        }
        self.content = content;
        self.weight += update.len();
        (Some(self), Ok(Some(Merged { delta, update: update.into() })))
    }

    /// Whether there may be something new in it.
    fn look_through(
        &mut self,
        updates: &[Bytes],
        bounds: &MergeBounds,
    ) -> Result<bool, Unmergeable> {
        let state = self.doc.transact().state_vector();
        let mut reach: HashMap<u64, u32> = HashMap::new();
        let (mut may_change, mut bytes) = (false, 0);
        let mut outlines = Vec::with_capacity(updates.len());
        for update in updates {
            let outline = Outline::read(update, bounds.structs).map_err(|error| match error {
                OutlineError::TooManyStructs => {
                    Unmergeable::TooManyStructs { limit: bounds.structs }
                }
                error => Unmergeable::Malformed(error.to_string()),
            })?;
            let known = |client: u64| {
                let stored = state.get(&ClientID::new(client));
                reach.get(&client).map_or(stored, |reached| stored.max(*reached))
            };
            if outline.newcomers(known).any(|client| client > LARGEST_CLIENT) {
                return Err(Unmergeable::Unrelated);
            }
            let is_others = |client: u64| bounds.others.contains(&client);
            if outline.newcomers(known).any(is_others) || !outline.is_complete(known) {
                return Err(Unmergeable::OutOfStep);
            }
            may_change |= outline.may_change(known);
            for (client, _start, end) in outline.ranges() {
                let reached = reach.entry(client).or_default();
                *reached = end.max(*reached);
            }
            bytes += update.len();
            outlines.push(outline);
        }
        let size = self.weight + bytes;
        if may_change && size > bounds.state {
            return Err(Unmergeable::TooLarge { size, limit: bounds.state });
        }
        self.look_into_depths(&outlines)?;
        Ok(may_change)
    }

    /// Sees that types are not nested too deep, where there are types.
    fn look_into_depths(&mut self, outlines: &[Outline]) -> Result<(), Unmergeable> {
        if self.depths.is_none() && !outlines.iter().any(Outline::has_types) {
            return Ok(());
        }
        let malformed = |error: OutlineError| Unmergeable::Malformed(error.to_string());
        let mut depths = match self.depths.take() {
            Some(depths) => depths,
            None => {
                let mut depths = Depths::default();
                let all = Outline::read(&self.state(), usize::MAX).map_err(malformed)?;
                depths.add(&all).map_err(malformed)?;
                depths
            }
        };
        let looked = outlines.iter().try_for_each(|outline| depths.add(outline));
        self.depths = looked.is_ok().then_some(depths);
        looked.map_err(malformed)
    }

    /// Applies updates that have been looked through. Should the library panic over them all the same, the update is
    /// refused; what it left behind is never touched again, not even to free it.
    fn apply_updates(&self, updates: &[Bytes]) -> Result<Applied, Unmergeable> {
        let decoded = updates.iter().map(|update| {
            let decode = || Update::decode_v1(update).map_err(|error| error.to_string());
            catch_unwind(decode).unwrap_or_else(|_panic| Err("it cannot be read".to_owned()))
        });
        let decoded: Vec<Update> =
            decoded.collect::<Result<_, _>>().map_err(Unmergeable::Malformed)?;
        let mut txn = ManuallyDrop::new(self.doc.transact_mut());
        let apply = AssertUnwindSafe(|| self.apply_decoded(&mut txn, decoded));
        let applied = catch_unwind(apply).unwrap_or_else(|_panic| {
            tracing::error!("an update could not be applied, and some memory is lost with it");
            Err(Unmergeable::Malformed("it cannot be applied".to_owned()))
        })?;
        // It has been committed: nothing is left to be done but to let go of it.
        drop(ManuallyDrop::into_inner(txn));
        Ok(applied)
    }

    fn apply_decoded(
        &self,
        txn: &mut TransactionMut<'_>,
        updates: Vec<Update>,
    ) -> Result<Applied, Unmergeable> {
        let before: StateVector = txn.state_vector();
        let steps = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&steps);
        self.text.observe(OBSERVER, move |txn, event| {
            *seen.lock() = Some(event.delta(txn).iter().map(step).collect());
        });
        for update in updates {
            txn.apply_update(update).map_err(|error| Unmergeable::Malformed(error.to_string()))?;
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
        bounds: &MergeBounds,
    ) -> Result<(Delta, Content), Unmergeable> {
        let delta = Delta::from_steps(steps.unwrap_or_default());
        let is_astral = |text: &str| text.chars().any(|c| c.len_utf16() > 1);
        let guess = delta.ok().and_then(|delta| {
            let content = self.content.apply(&delta).ok()?;
            Some((delta, content))
        });
        if let Some((delta, content)) = guess
            && content.units() == units
        {
            // Only what takes two code units can have been split in two.
            let may_be_split = self.content.has_pairs() || delta.inserts(is_astral);
            if !may_be_split || content == *self.plain_text() {
                return Ok((delta, content));
            }
        }
        let text = self.plain_text();
        let content = Content::from(&*text);
        if content.units() != units {
            return Err(Unmergeable::NotText);
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
#[path = "merging_tests.rs"]
mod tests;
