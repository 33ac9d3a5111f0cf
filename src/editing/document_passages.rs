//! Finds who wrote the passages of a document at a version.
//!
//! The change log has the update of each change, and with it the ids of what the change inserted. The log is read from its beginning,
//! page by page in the turns of the party, and of each update only the ids are kept. Then the document is loaded, and each of its
//! passages has the id of its insertion. No earlier version is built.
//!
//! What was inserted before the log begins has no author. A compaction gives everything new ids, so the log counts from there.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    HistoryError, Insertions, LoadError, Passage, PassagePage, PassageSearch, StateError,
    document_load::Target,
    loader::{DocumentLoader, LoadedReplica},
    log_tail::LogTail,
    stoppable::{Unfinished, run_stoppable},
};
use crate::{
    domain::{Budget, Change, ChangeKind, DocumentId, Exhausted, Party, Version, VersionRange},
    memory::LoadMemory,
    store::{HistoryEntries, HistoryEntry},
};

/// How long a search waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// How long reading the log may take. The turns of the party are a part of it.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The most structs in the updates of a log.
const MAX_LOG_STRUCTS: u64 = 20_000_000;

/// The most steps of a search for passages.
const MAX_SEARCH_STEPS: u64 = 50_000_000;

/// The passages to find.
#[derive(Debug, Clone)]
pub(crate) struct PassageQuery {
    pub(crate) document: DocumentId,
    pub(crate) version: Version,
    /// The name of the root type. `None` for all.
    pub(crate) root: Option<String>,
    /// How many to leave out.
    pub(crate) skip: usize,
    /// The most to return.
    pub(crate) max: usize,
}

/// Some passages of a document, with the history entries that inserted them.
#[derive(Debug)]
pub struct AuthoredPassages {
    /// The passages in the order of the content. The entry is `None` if it is not known.
    pub passages: Vec<(Passage, Option<HistoryEntry>)>,
    /// Whether there are more.
    pub has_next: bool,
}

/// What the log has told so far.
struct LogNotes {
    insertions: Insertions,
    entries: HistoryEntries,
}

impl LogNotes {
    /// Adds a page of the log, and what its changes take back.
    fn with(
        mut self,
        page: Vec<Change>,
        taken: &HashMap<Version, VersionRange>,
        budget: &Budget,
    ) -> Result<Self, StateError> {
        for change in page {
            let by = self.entries.add(&change, taken.get(&change.version).copied())?;
            if change.kind == ChangeKind::Compacted {
                self.insertions = Insertions::default();
            } else if let Some(update) = &change.update {
                self.insertions.note(update, by, budget)?;
            }
        }
        Ok(self)
    }

    /// Returns about how much memory they take, in bytes.
    fn memory(&self) -> usize {
        self.insertions.memory().saturating_add(self.entries.memory())
    }
}

impl DocumentLoader {
    /// Finds who wrote the passages of a document at a version, for a party.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub(crate) async fn passages(
        &self,
        query: PassageQuery,
        party: Party,
    ) -> Result<AuthoredPassages, HistoryError> {
        let turn = self.authors().acquire_within(party, TURN_WITHIN).await;
        let turn = turn.map_err(|_refused| LoadError::Busy)?;
        let target = Target { document: query.document, version: query.version, party };
        let (notes, memory) = match self.read_notes(target).await {
            // The beginning of the log was deleted between two pages.
            Err(HistoryError::Load(LoadError::NotKept)) => self.read_notes(target).await,
            notes => notes,
        }?;
        let loaded = self.replica(query.document, query.version, party).await?;
        let search = move |budget: &Budget| -> Result<AuthoredPassages, HistoryError> {
            let found = find(&loaded, &notes.insertions, &query, budget);
            // Only now is there room for another search.
            drop((loaded, turn));
            let PassagePage { passages, has_next } = found?;
            let entry = |passage: &Passage| notes.entries.find(passage.by?);
            let passages = passages.into_iter().map(|passage| {
                let entry = entry(&passage);
                (passage, entry)
            });
            let passages = passages.collect();
            // The notes are counted for as long as they exist.
            drop((notes, memory));
            Ok(AuthoredPassages { passages, has_next })
        };
        let budget = Budget::new(MAX_SEARCH_STEPS);
        run_within(budget, self.bounds().within, search).await?
    }

    /// Reads the log up to the version of a target, from where it is complete. Returns the counted memory of the notes, too.
    async fn read_notes(&self, target: Target) -> Result<(LogNotes, LoadMemory), HistoryError> {
        let Target { document, version, party } = target;
        let (store, began) = (self.store(), Instant::now());
        let oldest = store.read_for(party, store.find_oldest_version(document)).await??;
        // Without a snapshot, nothing is known before the version itself.
        let first = oldest.unwrap_or(version).min(version);
        let mut entries = store.read_for(party, store.begin_entries(document)).await??;
        let mut others = None;
        if first == Version::FIRST
            && let Some((author, at)) =
                store.read_for(party, store.find_creator(document)).await??
        {
            others = Some(entries.add_creation(author, at)?);
        }
        let mut notes = LogNotes { insertions: Insertions::beginning_with(others), entries };
        let mut tail = LogTail::new(store.clone(), target, first);
        let mut memory = self.memory().begin_load(party);
        let budget = Budget::new(MAX_LOG_STRUCTS);
        while let Some(bytes) = tail.find_next().await? {
            let left = READ_WITHIN.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(HistoryError::TooMuchWork(Exhausted::Stopped));
            }
            memory.count(notes.memory().saturating_add(bytes.saturating_mul(2)));
            let Some(page) = tail.next().await? else { break };
            let taken = match (page.first(), page.last()) {
                (Some(first), Some(last)) => {
                    let range = VersionRange { from: first.version, to: last.version };
                    store.read_for(party, store.list_taken_back(document, range)).await??
                }
                _ => HashMap::new(),
            };
            let work = move |budget: &Budget| notes.with(page, &taken, budget);
            let noted = run_within(budget.clone(), left, work).await?;
            notes = noted.map_err(|error| match error {
                StateError::Corrupt(corrupt) => HistoryError::from(LoadError::Corrupt(corrupt)),
                StateError::Exhausted(exhausted) => exhausted.into(),
            })?;
        }
        memory.count(notes.memory());
        Ok((notes, memory))
    }
}

fn find(
    LoadedReplica { replica, .. }: &LoadedReplica,
    insertions: &Insertions,
    query: &PassageQuery,
    budget: &Budget,
) -> Result<PassagePage, Exhausted> {
    let PassageQuery { root, skip, max, .. } = query;
    let search = PassageSearch { root: root.as_deref(), skip: *skip, max: *max };
    replica.passages(insertions, search, budget)
}

/// Runs work on another thread, and stops it in time. Small documents may take as long as large ones.
async fn run_within<T: Send + 'static>(
    budget: Budget,
    within: Duration,
    work: impl FnOnce(&Budget) -> T + Send + 'static,
) -> Result<T, HistoryError> {
    run_stoppable(budget, within, work).await.map_err(|unfinished| match unfinished {
        Unfinished::Late => HistoryError::TooMuchWork(Exhausted::Stopped),
        Unfinished::Panicked => LoadError::Aborted.into(),
    })
}
