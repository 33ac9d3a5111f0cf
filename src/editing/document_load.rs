//! One document being loaded: its place in the queue, and its budget.
//!
//! A load that turns out to be large waits for a place, and holds it until its work has ended. The work spends a budget: a step
//! for each struct, and time. When the budget ends, the document is closed off.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    LoadError, StateError,
    closed_off::TooHeavy,
    loader::{DocumentLoader, MAX_INLINE_BYTES},
    stoppable::{Unfinished, run_stoppable},
};
use crate::{
    domain::{Budget, DocumentId, Exhausted, Party, Version},
    fair_queue::FairPermit,
    store::{Snapshot, SnapshotState},
    wire::yjs::Outline,
};

/// The longest time for which loading a large document waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Cost model: a struct costs as much as this many bytes of text. So a document of 2,000 structs is large: if each is compared
/// with every other one, that takes a tenth of a second.
const STRUCT_COST: usize = 32;

/// A document of more structs than `limits.document_structs` is still loaded if it has at most this many times as many, so that
/// the limit can be lowered.
const LOADED_SHARE: usize = 2;

/// The limits of loading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadBounds {
    /// The most large documents that are loaded at the same time.
    pub(crate) at_once: usize,
    /// How long the work of one load may take.
    pub(crate) within: Duration,
    /// The structs up to which a document may grow.
    pub(crate) structs: usize,
}

impl LoadBounds {
    /// No limits but one load at a time.
    pub(super) const NONE: Self =
        Self { at_once: 1, within: Duration::from_hours(24 * 365), structs: usize::MAX };
}

/// What one load is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) document: DocumentId,
    pub(super) version: Version,
    pub(super) party: Party,
}

/// One document being loaded.
pub(super) struct DocumentLoad<'a> {
    loader: &'a DocumentLoader,
    pub(super) target: Target,
    /// The cost of what was worked on without a place.
    cost: usize,
    place: Option<FairPermit<Party>>,
    budget: Budget,
    steps: u64,
    /// How long the work has taken so far.
    worked: Duration,
    /// The version of the snapshot that was read.
    snapshot: Option<Version>,
}

impl<'a> DocumentLoad<'a> {
    /// Begins to load.
    ///
    /// # Errors
    /// [`LoadError::TooHeavy`] if the document is closed off.
    pub(super) fn begin(loader: &'a DocumentLoader, target: Target) -> Result<Self, LoadError> {
        loader.closed_off().check(target.document, target.version)?;
        let steps = loader.bounds().structs.saturating_mul(LOADED_SHARE) as u64;
        Ok(Self {
            loader,
            target,
            cost: 0,
            place: None,
            budget: Budget::new(steps),
            steps,
            worked: Duration::ZERO,
            snapshot: None,
        })
    }

    /// Whether it has a place.
    pub(super) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Waits for a place before work of this cost, unless the document is small so far.
    ///
    /// # Errors
    /// [`LoadError::Busy`]. [`LoadError::TooHeavy`] if the document was closed off meanwhile.
    pub(super) async fn admit(&mut self, cost: usize) -> Result<(), LoadError> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > MAX_INLINE_BYTES && self.place.is_none() {
            let Target { document, version, party } = self.target;
            let place = self.loader.queue().acquire_within(party, MAX_WAIT).await;
            self.place = Some(place.map_err(|_refused| LoadError::Busy)?);
            self.loader.closed_off().check(document, version)?;
        }
        Ok(())
    }

    /// Notes the snapshot that the document is loaded from, and waits for a place if it is large. Returns its cost.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(super) async fn admit_snapshot(&mut self, snapshot: &Snapshot) -> Result<usize, LoadError> {
        self.snapshot = Some(snapshot.version);
        let cost = cost_of(snapshot);
        self.admit(cost).await?;
        Ok(cost)
    }

    /// Runs work of this cost: inline if it is little, otherwise on a worker thread, which holds the place.
    ///
    /// # Errors
    /// [`LoadError::TooHeavy`] if the budget ended, [`LoadError::Corrupt`], [`LoadError::Aborted`].
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        cost: usize,
        work: impl FnOnce(&Budget) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, LoadError> {
        if cost <= MAX_INLINE_BYTES {
            return work(&self.budget).map_err(|error| self.refused(error));
        }
        let (began, place) = (Instant::now(), self.place.take());
        let left = self.loader.bounds().within.saturating_sub(self.worked);
        let work = move |budget: &Budget| (work(budget), place);
        let done = run_stoppable(self.budget.clone(), left, work).await;
        let (done, place) = done.map_err(|unfinished| match unfinished {
            Unfinished::Late => LoadError::TooHeavy(self.out_of_time()),
            Unfinished::Panicked => LoadError::Aborted,
        })?;
        self.place = place;
        self.worked += began.elapsed();
        done.map_err(|error| self.refused(error))
    }

    /// Ends loading. Closes the document off if it is too heavy.
    ///
    /// # Errors
    /// The given one.
    pub(super) fn finish<T>(self, loaded: Result<T, LoadError>) -> Result<T, LoadError> {
        let Target { document, version, .. } = self.target;
        // It may have been closed off by another load already.
        if let (Err(LoadError::TooHeavy(cause)), Some(snapshot)) = (&loaded, self.snapshot)
            && self.loader.closed_off().check(document, version).is_ok()
        {
            self.loader.closed_off().close(document, snapshot..=version, *cause);
        }
        loaded
    }

    fn refused(&self, error: StateError) -> LoadError {
        match error {
            StateError::Corrupt(corrupt) => LoadError::Corrupt(corrupt),
            StateError::Exhausted(Exhausted::Steps) => {
                LoadError::TooHeavy(TooHeavy::Structs { limit: self.steps })
            }
            StateError::Exhausted(Exhausted::Stopped) => LoadError::TooHeavy(self.out_of_time()),
        }
    }

    fn out_of_time(&self) -> TooHeavy {
        TooHeavy::Time { limit: self.loader.bounds().within }
    }
}

/// Returns the cost of loading a snapshot, in bytes. The structs of a large one need not be counted.
fn cost_of(snapshot: &Snapshot) -> usize {
    match &snapshot.state {
        SnapshotState::Yjs(state) if state.len() <= MAX_INLINE_BYTES => {
            let structs =
                Outline::read(state, usize::MAX).map_or(0, |outline| outline.struct_count());
            state.len() + STRUCT_COST * structs
        }
        SnapshotState::Yjs(state) => state.len(),
        SnapshotState::Plain(text) => text.len(),
    }
}

#[cfg(test)]
#[path = "document_load_tests.rs"]
mod tests;
