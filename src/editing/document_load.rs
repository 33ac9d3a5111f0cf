//! One document being loaded: its place in a queue, its memory, and its budget.
//!
//! A load that turns out to be large waits for a place, and holds it until its work has ended. Documents of medium size have
//! places of their own, since each of them is loaded in a short time. One that takes longer begins again among the heavy ones,
//! so that users with heavy documents do not delay the others (docs/adr/0030-places-for-medium-documents.md).
//!
//! A heavy document is not read before there is memory for it. The work spends a budget: a step for each struct, and time. When
//! the budget ends, the document is closed off.

use std::time::Duration;

use replica::LOADED_SHARE;
use tokio::time::Instant;

use super::{
    LoadError, StateError,
    closed_off::TooHeavy,
    loader::{DocumentLoader, MAX_INLINE_BYTES},
    snapshot_size::SnapshotSize,
    stoppable::{Unfinished, run_stoppable},
};
use crate::{
    domain::{Budget, DocumentId, Exhausted, Party, Version},
    fair_queue::FairPermit,
    memory::LoadMemory,
    store::Snapshot,
};

/// The longest time for which loading a document waits for its turns and for memory, all together.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The highest cost of a document of medium size.
const MAX_MEDIUM_COST: usize = 2 * 1024 * 1024;

/// How long the work on a document of medium size may take before it begins again among the heavy ones.
const MEDIUM_WITHIN: Duration = Duration::from_secs(2);

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

/// What a document is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentSource {
    /// The newest snapshot, and the changes after it.
    Log,
    /// The content that was kept when the version got a name.
    NamedVersion,
}

/// How much work it is to load a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LoadClass {
    /// It is loaded without a place, and not counted.
    Small,
    /// It waits for a place, but not for memory.
    Medium,
    /// It waits for a place and for memory.
    Heavy,
}

impl LoadClass {
    fn of(cost: usize) -> Self {
        if cost <= MAX_INLINE_BYTES {
            Self::Small
        } else if cost <= MAX_MEDIUM_COST {
            Self::Medium
        } else {
            Self::Heavy
        }
    }
}

/// What a document has turned out to be that is loaded only if it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TurnedOut {
    Small,
    Larger,
}

/// What a load holds that is not small.
struct LoadPlace {
    class: LoadClass,
    _permit: FairPermit<Party>,
    memory: LoadMemory,
}

/// One document being loaded.
pub(super) struct DocumentLoad<'a> {
    loader: &'a DocumentLoader,
    pub(super) target: Target,
    source: ContentSource,
    /// The cost of what is being worked on, as far as is known.
    cost: usize,
    /// Whether its work has taken too long for a document of medium size.
    is_slow: bool,
    /// Whether it is to begin again because of that.
    must_begin_again: bool,
    /// Whether it ends when the document turns out not to be small, and whether it has.
    only_small: Option<TurnedOut>,
    /// How long it may still wait.
    patience: Duration,
    place: Option<LoadPlace>,
    budget: Budget,
    steps: u64,
    /// How long the work has taken so far.
    worked: Duration,
    /// The version of the snapshot that was read.
    snapshot: Option<Version>,
    /// The bytes of the last page of the log. They count until the next page, what it adds to the document until the end.
    page: usize,
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
            source: ContentSource::Log,
            cost: 0,
            is_slow: false,
            must_begin_again: false,
            only_small: None,
            patience: MAX_WAIT,
            place: None,
            budget: Budget::new(steps),
            steps,
            worked: Duration::ZERO,
            snapshot: None,
            page: 0,
        })
    }

    /// Ends the load with an error when the document turns out not to be small.
    pub(super) fn only_if_small(mut self) -> Self {
        self.only_small = Some(TurnedOut::Small);
        self
    }

    /// Whether the load has ended because the document is not small.
    pub(super) fn is_too_large(&self) -> bool {
        self.only_small == Some(TurnedOut::Larger)
    }

    /// Returns how much work it is, as far as is known.
    pub(super) fn class(&self) -> LoadClass {
        self.place.as_ref().map_or(LoadClass::Small, |place| place.class)
    }

    /// Returns what the document is loaded from.
    pub(super) fn source(&self) -> ContentSource {
        self.source
    }

    /// Begins again with the content of a named version.
    pub(super) fn continue_with_named(&mut self) {
        self.source = ContentSource::NamedVersion;
        self.restart();
    }

    /// Removes the memory that is counted for a document that is not small.
    pub(super) fn take_memory(&mut self) -> Option<LoadMemory> {
        self.place.take().map(|place| place.memory)
    }

    /// Waits for a place and for memory before a snapshot of `bytes` is read.
    ///
    /// # Errors
    /// [`LoadError::Busy`]. [`LoadError::TooHeavy`] if the document was closed off meanwhile.
    pub(super) async fn expect_snapshot(&mut self, bytes: usize) -> Result<(), LoadError> {
        let size = SnapshotSize::of_bytes(bytes);
        self.take_place(size.cost()).await?;
        match &mut self.place {
            Some(place) if place.class != LoadClass::Heavy => place.memory.count(size.memory()),
            Some(_) => self.wait_for_memory(size.memory()).await?,
            None => {}
        }
        Ok(())
    }

    /// Notes the snapshot that the document is loaded from, and waits for a place if it is large. Returns it with its cost.
    /// If it is heavy and there is no memory for it, drops it and waits for the memory: then it has to be read again.
    ///
    /// # Errors
    /// As [`expect_snapshot`](Self::expect_snapshot).
    pub(super) async fn admit_snapshot(
        &mut self,
        snapshot: Snapshot,
    ) -> Result<Option<(Snapshot, usize)>, LoadError> {
        self.snapshot = Some(snapshot.version);
        let (snapshot, size) = SnapshotSize::measure(snapshot).await?;
        if size.structs as u64 > self.steps {
            return Err(LoadError::TooHeavy(self.out_of_structs()));
        }
        self.take_place(size.cost()).await?;
        if let Some(place) = &mut self.place {
            match place.class {
                LoadClass::Small | LoadClass::Medium => place.memory.count(size.memory()),
                LoadClass::Heavy if place.memory.try_grow_to(size.memory()) => {}
                LoadClass::Heavy => {
                    drop(snapshot);
                    self.wait_for_memory(size.memory()).await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some((snapshot, size.cost())))
    }

    /// Waits for a place before a page of the log of `bytes` is read, unless the document is small even with the page.
    ///
    /// # Errors
    /// As [`expect_snapshot`](Self::expect_snapshot).
    pub(super) async fn admit_page(&mut self, bytes: usize) -> Result<(), LoadError> {
        let before = self.class();
        self.take_place(self.cost.saturating_add(bytes)).await?;
        let Some(place) = &mut self.place else { return Ok(()) };
        let before_page =
            place.memory.bytes().saturating_sub(std::mem::replace(&mut self.page, bytes));
        let memory = before_page.saturating_add(bytes.saturating_mul(2));
        if place.class == LoadClass::Heavy && before != LoadClass::Heavy {
            return self.wait_for_memory(memory).await;
        }
        // A load that has memory does not wait for more: two could wait for each other.
        place.memory.count(memory);
        Ok(())
    }

    /// Takes a place for work of this cost in total, unless it has one.
    async fn take_place(&mut self, cost: usize) -> Result<(), LoadError> {
        self.cost = self.cost.max(cost);
        let class = if self.is_slow { LoadClass::Heavy } else { LoadClass::of(self.cost) };
        if class <= self.class() {
            return Ok(());
        }
        if let Some(turned_out) = &mut self.only_small {
            *turned_out = TurnedOut::Larger;
            return Err(LoadError::Busy);
        }
        if self.place.take().is_some() {
            // A document of medium size has turned out to be heavy. Nobody waits for a place with another one, or with memory.
            self.must_begin_again = true;
            return Err(LoadError::Busy);
        }
        let Target { document, version, party } = self.target;
        let memory = self.loader.memory().begin_load(party);
        let began = Instant::now();
        let permit = self.loader.places(class).acquire_within(party, self.patience).await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        let permit = permit.map_err(|_refused| LoadError::Busy)?;
        self.place = Some(LoadPlace { class, _permit: permit, memory });
        self.loader.closed_off().check(document, version)?;
        Ok(())
    }

    /// Waits until there is this much memory for the load, in total.
    async fn wait_for_memory(&mut self, bytes: usize) -> Result<(), LoadError> {
        let (began, patience) = (Instant::now(), self.patience);
        let Some(place) = &mut self.place else { return Ok(()) };
        let is_counted = place.memory.wait_for(bytes, patience).await;
        self.patience = patience.saturating_sub(began.elapsed());
        if is_counted { Ok(()) } else { Err(LoadError::Busy) }
    }

    /// Runs work of this cost: inline if it is little, otherwise on a worker thread, which holds the place.
    ///
    /// # Errors
    /// [`LoadError::TooHeavy`] if the budget ended, [`LoadError::Corrupt`], [`LoadError::Aborted`]. [`LoadError::Busy`] if the
    /// document turned out to be heavy; then it [`begins_again`](Self::begins_again).
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        cost: usize,
        work: impl FnOnce(&Budget) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, LoadError> {
        if cost <= MAX_INLINE_BYTES {
            return work(&self.budget).map_err(|error| self.refused(error));
        }
        let left = self.within().saturating_sub(self.worked);
        let (began, place) = (Instant::now(), self.place.take());
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

    /// Returns how long the work may take.
    fn within(&self) -> Duration {
        let within = self.loader.bounds().within;
        match self.class() {
            LoadClass::Small | LoadClass::Medium => within.min(MEDIUM_WITHIN),
            LoadClass::Heavy => within,
        }
    }

    /// Begins again if the document was taken for one of medium size and turned out to be heavy. Returns whether it was.
    pub(super) fn begins_again(&mut self) -> bool {
        let begins_again = std::mem::take(&mut self.must_begin_again);
        if begins_again {
            self.restart();
        }
        begins_again
    }

    /// Gives the load its whole budget again, without a place, because the document is read from the start.
    pub(super) fn restart(&mut self) {
        self.place = None;
        self.page = 0;
        self.budget = Budget::new(self.steps);
        self.worked = Duration::ZERO;
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

    fn refused(&mut self, error: StateError) -> LoadError {
        match error {
            StateError::Corrupt(corrupt) => LoadError::Corrupt(corrupt),
            StateError::Exhausted(Exhausted::Steps) => LoadError::TooHeavy(self.out_of_structs()),
            StateError::Exhausted(Exhausted::Stopped)
                if self.within() < self.loader.bounds().within =>
            {
                (self.is_slow, self.must_begin_again) = (true, true);
                LoadError::Busy
            }
            StateError::Exhausted(Exhausted::Stopped) => LoadError::TooHeavy(self.out_of_time()),
        }
    }

    fn out_of_structs(&self) -> TooHeavy {
        TooHeavy::Structs { limit: self.steps }
    }

    fn out_of_time(&self) -> TooHeavy {
        TooHeavy::Time { limit: self.loader.bounds().within }
    }
}

#[cfg(test)]
#[path = "document_load_tests.rs"]
mod tests;
