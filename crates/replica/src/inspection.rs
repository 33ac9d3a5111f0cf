//! Inspection of updates before they are applied.
//!
//! [`Replica::inspect`] reads the [`Outline`] of each update and orders the updates by their dependencies. It checks that
//! they are validly encoded, within their limits, of this document's history, not nested too deeply, and leave a document that
//! can be loaded in a limited time.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::wire::yjs::{Depths, MAX_CLIENT, Outline, OutlineError};
use yrs::{ClientID, ReadTxn as _, StateVector, Transact as _};

use super::{
    merge::{MergeBounds, MergeError},
    replica::Replica,
};

/// The updates that can be applied, and their possible effects.
#[derive(Default)]
pub(crate) struct Inspected<'a> {
    /// The updates with their outlines, each after its dependencies.
    pub(crate) updates: Vec<(&'a Bytes, Outline)>,
    /// Whether they may change the document.
    pub(crate) may_change: bool,
    /// Whether they may split a character without a trace in the delta: they insert and delete, or insert anything that
    /// is not text.
    pub(crate) may_split: bool,
    /// Whether updates were left out because of missing dependencies.
    pub(crate) leaves_out: bool,
}

/// The combined effects of the updates inspected so far.
struct Effects {
    inserts: bool,
    deletes: bool,
    is_text_only: bool,
    /// Whether they have structs that the document lacks.
    has_new_structs: bool,
    bytes: usize,
}

impl Effects {
    const NONE: Self = Self {
        inserts: false,
        deletes: false,
        is_text_only: true,
        has_new_structs: false,
        bytes: 0,
    };

    fn add(&mut self, outline: &Outline, known: impl Fn(u64) -> u32, bytes: usize) {
        self.inserts |= outline.inserts();
        self.deletes |= outline.deletes();
        self.is_text_only &= outline.is_text_only();
        self.has_new_structs |= outline.new_clients(known).next().is_some();
        self.bytes += bytes;
    }
}

/// The clock of each client after the document and the inspected updates.
struct Clocks {
    document: StateVector,
    updates: HashMap<u64, u32>,
}

impl Clocks {
    fn of(&self, client: u64) -> u32 {
        let in_document = self.document.get(&ClientID::new(client));
        self.updates.get(&client).map_or(in_document, |clock| in_document.max(*clock))
    }

    fn add(&mut self, outline: &Outline) {
        for (client, _start, end) in outline.ranges() {
            let clock = self.updates.entry(client).or_default();
            *clock = end.max(*clock);
        }
    }
}

impl Replica {
    /// Selects and orders the updates that can be applied.
    ///
    /// # Errors
    /// [`MergeError`], after which the replica is unchanged.
    pub(crate) fn inspect<'a>(
        &mut self,
        updates: &'a [Bytes],
        bounds: &MergeBounds,
    ) -> Result<Inspected<'a>, MergeError> {
        let inspected = self.select(updates, bounds);
        if inspected.is_err() {
            // They contain the insertions of the updates before the rejected one.
            self.depths = None;
        }
        inspected
    }

    fn select<'a>(
        &mut self,
        updates: &'a [Bytes],
        bounds: &MergeBounds,
    ) -> Result<Inspected<'a>, MergeError> {
        let mut pending = read_outlines(updates, bounds)?;
        let document = self.doc.transact().state_vector();
        let mut clocks = Clocks { document, updates: HashMap::new() };
        let (mut inspected, mut effects) = (Inspected::default(), Effects::NONE);
        // An update may depend on a later one: an editor that answers sync step 1 sends everything it has.
        loop {
            let known = |client: u64| clocks.of(client);
            let next = pending.iter().position(|(_, outline)| outline.is_complete(known));
            let Some(index) = next else { break };
            let (update, outline) = pending.remove(index);
            if outline.new_clients(known).any(|client| client > MAX_CLIENT) {
                return Err(MergeError::Unrelated);
            }
            inspected.may_change |= outline.may_change(known);
            self.check_depth(&outline, known)?;
            effects.add(&outline, known, update.len());
            clocks.add(&outline);
            inspected.updates.push((update, outline));
        }
        inspected.leaves_out = !pending.is_empty();
        inspected.may_split = !effects.is_text_only || (effects.inserts && effects.deletes);
        let outlines = inspected.updates.iter().map(|(_, outline)| outline);
        self.conflicts.add(outlines.clone());
        // Deletions and repetitions are accepted at any size.
        if effects.has_new_structs {
            self.check_conflicts(outlines)?;
            let (size, limit) = (self.weight_with(effects.bytes, bounds.state), bounds.state);
            if size > limit {
                return Err(MergeError::TooLarge { size, limit });
            }
        }
        Ok(inspected)
    }

    /// Checks the nesting of shared types, and remembers the depths from the first update with types on.
    fn check_depth(
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
                let document = Outline::read(&self.state(), usize::MAX).map_err(malformed)?;
                depths.add(&document, |_client| 0).map_err(malformed)?;
                depths
            }
        };
        depths.add(outline, known).map_err(malformed)?;
        self.depths = Some(depths);
        Ok(())
    }
}

fn read_outlines<'a>(
    updates: &'a [Bytes],
    bounds: &MergeBounds,
) -> Result<Vec<(&'a Bytes, Outline)>, MergeError> {
    let read = |update: &'a Bytes| match Outline::read(update, bounds.structs) {
        Ok(outline) => Ok((update, outline)),
        Err(OutlineError::TooManyStructs) => {
            Err(MergeError::TooManyStructs { limit: bounds.structs })
        }
        Err(error) => Err(MergeError::Malformed(error.to_string())),
    };
    updates.iter().map(read).collect()
}
