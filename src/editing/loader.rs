//! Loads texts and replicas from the store: a snapshot and the changes after it. Of a named version whose changes are no longer kept,
//! the content that was kept with its name.
//!
//! A few large documents are loaded at a time ([`LoadQueues`]). Work on large ones runs on worker threads. It has a budget
//! ([`DocumentLoad`]): a document that needs more is closed off. What a load takes is counted with the replicas of the node
//! ([`DocumentMemory`]).

use std::sync::Arc;

use super::{
    CorruptDocument, LoadError, Replica,
    closed_off::ClosedOff,
    document_load::{DocumentLoad, LoadBounds, Target},
    earlier_content::EarlierContent,
    load_queues::LoadQueues,
    log_tail::LogTail,
};
pub(crate) use super::{
    load_queues::large_texts_queue,
    worker_thread::{MAX_INLINE_BYTES, off_thread},
};
use crate::{
    domain::{Budget, Change, ChangeKind, Content, Delta, DocumentId, Party, Version},
    memory::{DocumentMemory, LoadMemory},
    metrics::Metrics,
    store::{NewSnapshot, SnapshotPatience, SnapshotState, Store},
};

/// The most bytes of the log that are read at once.
pub(crate) const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Loads documents, a few large ones at a time.
#[derive(Clone)]
pub(crate) struct DocumentLoader {
    store: Store,
    queues: LoadQueues,
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
        let queues = LoadQueues::new(bounds.at_once);
        Self { store, queues, bounds, memory, closed_off }
    }

    pub(super) fn queues(&self) -> &LoadQueues {
        &self.queues
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
        let loaded = self.load_replica(&mut loading).await;
        finish_replica(loading, loaded)
    }

    /// As [`replica`](Self::replica), unless the document is not small: then `None`, soon, and without a wait.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(super) async fn replica_if_small(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<Option<LoadedReplica>, LoadError> {
        let target = Target { document, version, party };
        let mut loading = DocumentLoad::begin(self, target)?.only_if_small();
        let loaded = self.load_replica(&mut loading).await;
        match loading.is_too_large() {
            true => Ok(None),
            false => finish_replica(loading, loaded).map(Some),
        }
    }

    async fn load_replica(
        &self,
        loading: &mut DocumentLoad<'_>,
    ) -> Result<(Replica, LastSnapshot), LoadError> {
        loop {
            let read = self.read_replica(loading).await;
            let is_missing = matches!(read, Err(LoadError::NotKept));
            if is_missing && self.has_named(loading.target, loading.source()).await? {
                loading.continue_with_named();
                continue;
            }
            match read {
                Err(_) if loading.begins_again() => {}
                loaded => break loaded,
            }
        }
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
        if let Some(small) = self.replica_if_small(document, version, party).await? {
            return Ok(EarlierContent::new(small, None));
        }
        let place = self.turn_to_earlier(party).await?;
        let loaded = self.replica(document, version, party).await?;
        Ok(EarlierContent::new(loaded, Some(place)))
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

    fn tail(&self, target: Target, after: Version) -> LogTail {
        LogTail::new(self.store.clone(), target, after)
    }
}

/// Ends loading a replica, and counts its memory.
fn finish_replica(
    mut loading: DocumentLoad<'_>,
    loaded: Result<(Replica, LastSnapshot), LoadError>,
) -> Result<LoadedReplica, LoadError> {
    let mut memory = loading.take_memory();
    let (replica, snapshot) = loading.finish(loaded)?;
    if let Some(memory) = &mut memory {
        memory.count(replica.memory());
    }
    Ok(LoadedReplica { replica, snapshot, memory })
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

/// Returns the weight of all these changes, in bytes.
pub(super) fn weight(changes: &[Change]) -> usize {
    changes.iter().map(Change::weight).sum()
}
