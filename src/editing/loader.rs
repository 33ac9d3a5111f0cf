//! Loads texts and replicas from the store: a snapshot and the changes after it.
//!
//! A few large documents are loaded at a time, since loading takes several times the size of a document. Those who wait for
//! that take turns ([`FairQueue`]). Small documents do not wait. Work on large ones runs on worker threads.

use std::time::Duration;

use thiserror::Error;

use super::{CorruptDocument, Replica};
use crate::{
    domain::{Change, Content, Delta, DocumentId, Party, Version},
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    store::{FoundSnapshot, Snapshot, SnapshotState, Store, StoreError},
};

/// The most bytes of the log that are read at once.
pub(crate) const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The most bytes that are worked on inline. More runs on a worker thread, so that sockets are served meanwhile.
pub(crate) const MAX_INLINE_BYTES: usize = 64 * 1024;

/// The longest time for which loading a large document waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The most large documents that wait to be loaded, and of them those of one party.
const MAX_WAITING: usize = 1_024;
const MAX_WAITING_OF_PARTY: usize = 256;

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
    /// Too many large documents wait to be loaded, or this one waited too long for its turn.
    #[error("too many large documents are being loaded")]
    Busy,
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
    queue: FairQueue<Party>,
}

/// One document being loaded. It waits for a place as soon as it turns out to be large.
struct Loading<'a> {
    queue: &'a FairQueue<Party>,
    party: Party,
    /// The bytes that were worked on without a place.
    bytes: usize,
    place: Option<FairPermit<Party>>,
}

impl Loading<'_> {
    /// Waits for a place before work on `bytes` bytes, unless the document is small so far.
    ///
    /// # Errors
    /// [`LoadError::Busy`].
    async fn admit(&mut self, bytes: usize) -> Result<(), LoadError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_INLINE_BYTES && self.place.is_none() {
            let place = self.queue.acquire_within(self.party, MAX_WAIT).await;
            self.place = Some(place.map_err(|_refused| LoadError::Busy)?);
        }
        Ok(())
    }
}

/// A loaded replica.
pub(crate) struct LoadedReplica {
    pub(crate) replica: Replica,
    /// The snapshot that it was built from.
    pub(crate) snapshot: LastSnapshot,
}

/// The newest snapshot of a document that a room knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSnapshot {
    pub(crate) version: Version,
    /// About how many bytes of the log follow it.
    pub(crate) bytes_since: usize,
}

impl DocumentLoader {
    /// Returns a loader for `store` that loads `at_once` documents at the same time.
    pub(crate) fn new(store: Store, at_once: usize) -> Self {
        Self { store, queue: large_texts_queue(at_once) }
    }

    fn begin(&self, party: Party) -> Loading<'_> {
        Loading { queue: &self.queue, party, bytes: 0, place: None }
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
        let mut loading = self.begin(party);
        match self.read_content(document, version, &mut loading).await {
            // Changes that were forgotten between two queries leave a hole after the snapshot.
            Err(LoadError::NotKept) if self.exists(document, version).await? => {
                self.read_content(document, version, &mut loading).await
            }
            content => content,
        }
    }

    async fn read_content(
        &self,
        document: DocumentId,
        version: Version,
        loading: &mut Loading<'_>,
    ) -> Result<Content, LoadError> {
        let snapshot = self.snapshot(document, version, loading).await?;
        let mut tail = self.tail(document, snapshot.version, version);
        let made = off_thread(snapshot.weight(), move || match snapshot.state {
            SnapshotState::Yjs(state) => Replica::text_of(&state),
            SnapshotState::Plain(text) => Ok(Content::from(&*text)),
        });
        let mut content = made.await??;
        while let Some(page) = tail.next().await? {
            loading.admit(weight(&page)).await?;
            content = off_thread(weight(&page), move || {
                let deltas: Vec<Delta> =
                    page.iter().filter_map(|change| change.delta.as_deref().cloned()).collect();
                let all = Delta::compose_all(deltas);
                content.apply(&all).map_err(|misfit| CorruptDocument::log(&misfit))
            })
            .await??;
        }
        Ok(content)
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
        let mut loading = self.begin(party);
        loop {
            let snapshot = self.snapshot(document, version, &mut loading).await?;
            let (weight_of_state, at) = (snapshot.weight(), snapshot.version);
            let mut tail = self.tail(document, at, version);
            let state = match snapshot.state {
                SnapshotState::Yjs(state) => state,
                SnapshotState::Plain(text) => {
                    let make = move || Replica::of(&text).state();
                    let state = off_thread(weight_of_state, make).await?;
                    self.store.store_snapshot(document, at, None, state, 0).await?;
                    continue;
                }
            };
            let mut replica = off_thread(weight_of_state, move || Replica::load(&state)).await??;
            let mut bytes_since = 0;
            while let Some(page) = tail.next().await? {
                let bytes = weight(&page);
                bytes_since += bytes;
                loading.admit(bytes).await?;
                replica = off_thread(bytes + weight_of_state, move || {
                    let updates = page.iter().filter_map(|change| change.update.as_deref());
                    replica.followed_by(updates)
                })
                .await??;
            }
            return Ok(LoadedReplica {
                replica,
                snapshot: LastSnapshot { version: at, bytes_since },
            });
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

    /// Reads the newest snapshot at or before a version: a large one only with a place.
    async fn snapshot(
        &self,
        document: DocumentId,
        version: Version,
        loading: &mut Loading<'_>,
    ) -> Result<Snapshot, LoadError> {
        if loading.place.is_none() {
            let found = self.store.find_small_snapshot(document, version, MAX_INLINE_BYTES).await?;
            match found.ok_or(LoadError::NotKept)? {
                FoundSnapshot::Whole(snapshot) => {
                    loading.admit(snapshot.weight()).await?;
                    return Ok(snapshot);
                }
                FoundSnapshot::TooLarge => loading.admit(MAX_INLINE_BYTES + 1).await?,
            }
        }
        self.store.find_snapshot(document, version).await?.ok_or(LoadError::NotKept)
    }

    async fn exists(&self, document: DocumentId, version: Version) -> Result<bool, LoadError> {
        let head = self.store.find_head(document).await?;
        Ok(head.is_some_and(|head| head.version >= version))
    }

    fn tail(&self, document: DocumentId, after: Version, up_to: Version) -> LogTail {
        LogTail { store: self.store.clone(), document, last: after, up_to }
    }
}

/// The changes after a snapshot, read page by page.
struct LogTail {
    store: Store,
    document: DocumentId,
    last: Version,
    up_to: Version,
}

impl LogTail {
    /// Returns the next page. None at the end.
    async fn next(&mut self) -> Result<Option<Vec<Change>>, LoadError> {
        if self.last >= self.up_to {
            return Ok(None);
        }
        let page =
            self.store.list_changes(self.document, self.last, self.up_to, MAX_PAGE_BYTES).await?;
        if page.is_empty() || !are_consecutive(&page, self.last) {
            return Err(LoadError::NotKept);
        }
        self.last = page.last().map_or(self.last, |last| last.version);
        Ok(Some(page))
    }
}

/// Whether these changes follow a version without a hole.
pub(crate) fn are_consecutive(changes: &[Change], after: Version) -> bool {
    let mut last = after;
    changes.iter().all(|change| {
        let is_next = change.version == last.next();
        last = change.version;
        is_next
    })
}

fn weight(changes: &[Change]) -> usize {
    changes.iter().map(Change::weight).sum()
}

impl Snapshot {
    fn weight(&self) -> usize {
        match &self.state {
            SnapshotState::Yjs(state) => state.len(),
            SnapshotState::Plain(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, poll};

    use super::*;
    use crate::domain::UserId;

    #[tokio::test]
    async fn a_document_waits_as_soon_as_it_turns_out_to_be_large() {
        let queue = large_texts_queue(1);
        let loading = |party| Loading { queue: &queue, party, bytes: 0, place: None };
        let place = queue.acquire(Party::Node).await.unwrap();
        let mut large = loading(Party::User(UserId::new()));
        let mut small = loading(Party::User(UserId::new()));
        large.admit(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
        {
            let mut admission = Box::pin(large.admit(1));
            assert!(poll!(&mut admission).is_pending());
            small.admit(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
            drop(place);
            admission.await.unwrap();
        }
        assert!(large.place.is_some() && small.place.is_none());
        large.admit(usize::MAX).now_or_never().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_document_does_not_wait_for_ever() {
        let queue = large_texts_queue(1);
        let _place = queue.acquire(Party::Node).await.unwrap();
        let mut loading = Loading { queue: &queue, party: Party::Node, bytes: 0, place: None };
        assert!(matches!(loading.admit(MAX_INLINE_BYTES + 1).await, Err(LoadError::Busy)));
    }

    #[tokio::test]
    async fn one_party_holds_a_quarter_of_the_places() {
        let queue = large_texts_queue(8);
        let [mallory, alice] = [(); 2].map(|()| Party::User(UserId::new()));
        let _two = [queue.acquire(mallory).await.unwrap(), queue.acquire(mallory).await.unwrap()];
        assert!(queue.acquire(mallory).now_or_never().is_none());
        assert!(queue.acquire(alice).now_or_never().is_some());
    }
}
