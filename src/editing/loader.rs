//! Loads texts and replicas from the store: a snapshot and the changes after it. Of a named version whose changes are no longer kept,
//! the content that was kept with its name.
//!
//! A few large documents are loaded at a time, since loading takes several times the size of a document. Those who wait for
//! that take turns ([`FairQueue`]). Small documents do not wait. Work on large ones runs on worker threads. It has a budget
//! ([`DocumentLoad`]): a document that needs more is closed off. What a load takes is counted with the replicas of the node
//! ([`DocumentMemory`]).

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tokio::time::timeout;

use super::{
    CorruptDocument, Replica,
    closed_off::{ClosedOff, TooHeavy},
    document_load::{ContentSource, DocumentLoad, LoadBounds, LoadClass, Target},
    earlier_content::EarlierContent,
    log_tail::LogTail,
};
use crate::{
    domain::{Budget, Change, ChangeKind, Content, Delta, DocumentId, Party, Version},
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    memory::{DocumentMemory, LoadMemory},
    metrics::Metrics,
    store::{
        FoundSnapshot, NewSnapshot, Snapshot, SnapshotPatience, SnapshotState, Store, StoreError,
    },
};

/// The most bytes of the log that are read at once.
pub(crate) const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The most bytes that are worked on inline. More runs on a worker thread, so that sockets are served meanwhile.
pub(crate) const MAX_INLINE_BYTES: usize = 64 * 1024;

/// The most large documents that wait to be loaded, and of them those of one party.
const MAX_WAITING: usize = 1_024;
const MAX_WAITING_OF_PARTY: usize = 256;

/// How long a restoration, a comparison, or one who takes changes back, waits for its turn to load an earlier version.
const EARLIER_TURN_WITHIN: Duration = Duration::from_secs(30);

/// Of how many places one party may hold one.
const PLACES_PER_SHARE: usize = 4;

/// Why a document could not be loaded at a version.
#[derive(Debug, Clone, Error)]
pub enum LoadError {
    /// The document was deleted, or the version is older than the change log.
    #[error("the text at this version is no longer kept")]
    NotKept,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored data is inconsistent: a fault of this program or of the database.
    #[error(transparent)]
    Corrupt(#[from] CorruptDocument),
    /// Too many large documents wait to be loaded, or this one, or another read, waited too long for its turn.
    #[error("too much is being read")]
    Busy,
    /// The document is too heavy to be loaded. It is closed off for a while.
    #[error("the document is too heavy to be loaded: {0}")]
    TooHeavy(#[from] TooHeavy),
    /// The work was aborted, for instance by a panic.
    #[error("loading the text was aborted")]
    Aborted,
}

/// Runs `work` on `bytes` bytes: inline if they are few, otherwise on a worker thread.
///
/// # Errors
/// [`LoadError::Aborted`] if it panics.
pub(crate) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    if bytes <= MAX_INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_panicked| LoadError::Aborted)
}

/// Returns the queue of work on large texts, of which `at_once` pieces run at the same time. A party holds a quarter of the
/// places: such work may take seconds, and cannot be interrupted for one who comes later.
pub(crate) fn large_texts_queue(at_once: usize) -> FairQueue<Party> {
    FairQueue::new(QueueBounds {
        places: at_once,
        share: at_once / PLACES_PER_SHARE,
        waiting_of_key: MAX_WAITING_OF_PARTY,
        waiting: MAX_WAITING,
    })
}

/// Loads documents, a few large ones at a time.
#[derive(Clone)]
pub(crate) struct DocumentLoader {
    store: Store,
    medium: FairQueue<Party>,
    heavy: FairQueue<Party>,
    /// One earlier version at a time: who has one waits for the memory of the present version.
    earlier: FairQueue<Party>,
    /// Searches for the authors of a document: each reads its whole log.
    authors: FairQueue<Party>,
    /// Counts of history entries.
    counts: FairQueue<Party>,
    bounds: LoadBounds,
    memory: Arc<DocumentMemory>,
    closed_off: Arc<ClosedOff>,
}

/// The text of a document, which is that of the root type `content`.
pub(crate) struct LoadedContent {
    pub(crate) content: Content,
    /// Whether another root type was named as the body when the document was created.
    pub(crate) has_other_body: bool,
}

/// A loaded replica.
pub(crate) struct LoadedReplica {
    pub(crate) replica: Replica,
    /// The snapshot that it was built from.
    pub(crate) snapshot: LastSnapshot,
    /// What is counted for it until the room counts the replica. `None` if it is small.
    pub(crate) memory: Option<LoadMemory>,
}

/// The newest snapshot of a document that a room knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSnapshot {
    pub(crate) version: Version,
    /// The size of its state, in bytes.
    pub(crate) bytes: usize,
    /// About how many bytes of the log follow it.
    pub(crate) bytes_since: usize,
}

impl DocumentLoader {
    /// Returns a loader for `store`, whose loads count in `memory`.
    pub(crate) fn new(
        store: Store,
        bounds: LoadBounds,
        memory: Arc<DocumentMemory>,
        metrics: Metrics,
    ) -> Self {
        let closed_off = Arc::new(ClosedOff::new(metrics));
        let [medium, heavy, authors, counts] = [(); 4].map(|()| large_texts_queue(bounds.at_once));
        let earlier = large_texts_queue(1);
        Self { store, medium, heavy, earlier, authors, counts, bounds, memory, closed_off }
    }

    /// Returns the places for documents of a class. Small ones need none.
    pub(super) fn places(&self, class: LoadClass) -> &FairQueue<Party> {
        match class {
            LoadClass::Small | LoadClass::Medium => &self.medium,
            LoadClass::Heavy => &self.heavy,
        }
    }

    /// Returns the places for searches of authors.
    pub(super) fn authors(&self) -> &FairQueue<Party> {
        &self.authors
    }

    /// Returns the places for counts of history entries.
    pub(super) fn counts(&self) -> &FairQueue<Party> {
        &self.counts
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn memory(&self) -> &Arc<DocumentMemory> {
        &self.memory
    }

    pub(super) fn bounds(&self) -> LoadBounds {
        self.bounds
    }

    pub(super) fn closed_off(&self) -> &ClosedOff {
        &self.closed_off
    }

    /// Loads the text of a document at a version for a party.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn content(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<Content, LoadError> {
        Ok(self.text(document, version, party).await?.content)
    }

    /// As [`content`](Self::content). Tells besides whether the text is the body.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn text(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<LoadedContent, LoadError> {
        let mut loading = DocumentLoad::begin(self, Target { document, version, party })?;
        let mut has_hole = false;
        let content = loop {
            let read = self.read_content(&mut loading).await;
            let is_missing = matches!(read, Err(LoadError::NotKept));
            if is_missing && self.has_named(loading.target, loading.source()).await? {
                loading.continue_with_named();
                continue;
            }
            match read {
                // Changes that were forgotten between two queries leave a hole after the snapshot.
                Err(LoadError::NotKept) if !has_hole && self.exists(document, version).await? => {
                    has_hole = true;
                    loading.restart();
                }
                Err(_) if loading.begins_again() => {}
                content => break content,
            }
        };
        loading.finish(content)
    }

    async fn read_content(
        &self,
        loading: &mut DocumentLoad<'_>,
    ) -> Result<LoadedContent, LoadError> {
        let (snapshot, cost) = self.snapshot(loading).await?;
        let mut tail = self.tail(loading.target, snapshot.version);
        let make = move |budget: &Budget| match snapshot.state {
            SnapshotState::Yjs(state) => Replica::text_of(&state, budget),
            SnapshotState::Plain(text) => Ok((Content::from(&*text), false)),
        };
        let (mut content, has_other_body) = loading.work(cost, make).await?;
        while let Some(page) = next_page(&mut tail, loading).await? {
            let cost = weight(&page);
            let compose = move |_budget: &Budget| {
                let deltas: Vec<Delta> =
                    page.iter().filter_map(|change| change.delta.as_deref().cloned()).collect();
                let all = Delta::compose_all(deltas);
                content.apply(&all).map_err(|misfit| CorruptDocument::log(&misfit).into())
            };
            content = loading.work(cost, compose).await?;
        }
        Ok(LoadedContent { content, has_other_body })
    }

    /// Loads the replica of a document at a version for a party. A text from before there were snapshots is given one first, so that every
    /// node has the same replica of it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn replica(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<LoadedReplica, LoadError> {
        let mut loading = DocumentLoad::begin(self, Target { document, version, party })?;
        let loaded = loop {
            let read = self.read_replica(&mut loading).await;
            let is_missing = matches!(read, Err(LoadError::NotKept));
            if is_missing && self.has_named(loading.target, loading.source()).await? {
                loading.continue_with_named();
                continue;
            }
            match read {
                Err(_) if loading.begins_again() => {}
                loaded => break loaded,
            }
        };
        let mut memory = loading.take_memory();
        let (replica, snapshot) = loading.finish(loaded)?;
        if let Some(memory) = &mut memory {
            memory.count(replica.memory());
        }
        Ok(LoadedReplica { replica, snapshot, memory })
    }

    /// Loads the content of a document at an earlier version for a party that restores it, one large one at a time.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn earlier(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<EarlierContent, LoadError> {
        let place = self.turn_to_earlier(party).await?;
        let loaded = self.replica(document, version, party).await?;
        Ok(EarlierContent::new(loaded, place))
    }

    /// Waits for the turn of a party to hold the memory of an earlier version while it waits for that of another.
    ///
    /// # Errors
    /// [`LoadError::Busy`] after 30 s, or if too many wait.
    pub(super) async fn turn_to_earlier(
        &self,
        party: Party,
    ) -> Result<FairPermit<Party>, LoadError> {
        let turn = timeout(EARLIER_TURN_WITHIN, self.earlier.acquire(party)).await;
        turn.map_err(|_elapsed| LoadError::Busy)?.map_err(|_full| LoadError::Busy)
    }

    async fn read_replica(
        &self,
        loading: &mut DocumentLoad<'_>,
    ) -> Result<(Replica, LastSnapshot), LoadError> {
        let document = loading.target.document;
        loop {
            let (snapshot, cost) = self.snapshot(loading).await?;
            let at = snapshot.version;
            let mut tail = self.tail(loading.target, at);
            let state = match snapshot.state {
                SnapshotState::Yjs(state) => state,
                SnapshotState::Plain(text) => {
                    let make = move |_budget: &Budget| Ok(Replica::of(&text).state());
                    let state = loading.work(cost, make).await?;
                    let payer = loading.target.party;
                    let first = NewSnapshot {
                        payer,
                        document,
                        version: at,
                        at: None,
                        state,
                        body_text: None,
                        every: 0,
                        patience: SnapshotPatience::Usual,
                    };
                    self.store.store_snapshot(first).await?;
                    continue;
                }
            };
            let bytes = state.len();
            let load = move |budget: &Budget| Replica::load(&state, budget);
            let mut replica = loading.work(cost, load).await?;
            let mut bytes_since = 0;
            while let Some(page) = next_page(&mut tail, loading).await? {
                // A snapshot of the new history was here a moment ago, or its version is not the newest one any more.
                if page.iter().any(|change| change.kind == ChangeKind::Compacted) {
                    return Err(LoadError::NotKept);
                }
                let page_bytes = weight(&page);
                bytes_since += page_bytes;
                let follow = move |budget: &Budget| {
                    let updates = page.iter().filter_map(|change| change.update.as_deref());
                    replica.followed_by(updates, budget)
                };
                replica = loading.work(page_bytes + cost, follow).await?;
            }
            return Ok((replica, LastSnapshot { version: at, bytes, bytes_since }));
        }
    }

    /// Adds the text at its version to each of these consecutive changes. `before` is the text before the first of them, if it
    /// is in memory; otherwise it is loaded for `party`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn fill(
        &self,
        document: DocumentId,
        before: Option<Content>,
        mut changes: Vec<Change>,
        party: Party,
    ) -> Result<Vec<Change>, LoadError> {
        let Some(first) = changes.first() else { return Ok(changes) };
        let mut content = match before {
            Some(content) => content,
            None => self.content(document, first.version.previous(), party).await?,
        };
        off_thread(weight(&changes), move || {
            for change in &mut changes {
                if let Some(delta) = &change.delta {
                    content =
                        content.apply(delta).map_err(|misfit| CorruptDocument::log(&misfit))?;
                }
                change.content = Some(content.clone());
            }
            Ok(changes)
        })
        .await?
    }

    /// Reads the newest snapshot at or before the version to load: a large one only with a place and memory. Returns its cost,
    /// too.
    async fn snapshot(
        &self,
        loading: &mut DocumentLoad<'_>,
    ) -> Result<(Snapshot, usize), LoadError> {
        let (target, source) = (loading.target, loading.source());
        if loading.class() == LoadClass::Small {
            match self.find_content(target, source, MAX_INLINE_BYTES).await? {
                FoundSnapshot::Whole(snapshot) => {
                    if let Some(admitted) = loading.admit_snapshot(snapshot).await? {
                        return Ok(admitted);
                    }
                }
                FoundSnapshot::TooLarge { bytes } => loading.expect_snapshot(bytes).await?,
            }
        }
        loop {
            let found = self.find_content(target, source, usize::MAX).await?;
            let FoundSnapshot::Whole(snapshot) = found else { return Err(LoadError::NotKept) };
            if let Some(admitted) = loading.admit_snapshot(snapshot).await? {
                return Ok(admitted);
            }
        }
    }

    /// Finds what a document is loaded from, and reads it if it has at most `max_bytes` bytes.
    async fn find_content(
        &self,
        Target { document, version, party }: Target,
        source: ContentSource,
        max_bytes: usize,
    ) -> Result<FoundSnapshot, LoadError> {
        let finding = async {
            match source {
                ContentSource::Log => {
                    self.store.find_small_snapshot(document, version, max_bytes).await
                }
                ContentSource::NamedVersion => {
                    self.store.find_named_content(document, version, max_bytes).await
                }
            }
        };
        self.store.read_for(party, finding).await??.ok_or(LoadError::NotKept)
    }

    /// Whether the version to load has a name, and was not read by it already.
    async fn has_named(
        &self,
        Target { document, version, party }: Target,
        source: ContentSource,
    ) -> Result<bool, LoadError> {
        if source == ContentSource::NamedVersion {
            return Ok(false);
        }
        Ok(self.store.read_for(party, self.store.is_named(document, version)).await??)
    }

    async fn exists(&self, document: DocumentId, version: Version) -> Result<bool, LoadError> {
        let head = self.store.find_head(document).await?;
        Ok(head.is_some_and(|head| head.version >= version))
    }

    fn tail(&self, target: Target, after: Version) -> LogTail {
        LogTail::new(self.store.clone(), target, after)
    }
}

/// Returns the next page of the log, which is read when there is a place for it. None at the end.
async fn next_page(
    tail: &mut LogTail,
    loading: &mut DocumentLoad<'_>,
) -> Result<Option<Vec<Change>>, LoadError> {
    let Some(bytes) = tail.find_next().await? else { return Ok(None) };
    loading.admit_page(bytes).await?;
    tail.next().await
}

fn weight(changes: &[Change]) -> usize {
    changes.iter().map(Change::weight).sum()
}
