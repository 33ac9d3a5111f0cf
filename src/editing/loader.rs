//! Loads texts and replicas from the store: a snapshot and the changes after it.
//!
//! A few documents are loaded at a time, since loading takes several times the size of a document. Work on large ones runs on
//! worker threads.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{CorruptDocument, Replica};
use crate::{
    domain::{Change, Content, Delta, DocumentId, Version},
    store::{Snapshot, SnapshotState, Store, StoreError},
};

/// The most bytes of the log that are read at once.
pub(crate) const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The most bytes that are worked on inline. More runs on a worker thread, so that sockets are served meanwhile.
pub(crate) const MAX_INLINE_BYTES: usize = 64 * 1024;

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

/// Loads documents, a few at a time.
#[derive(Clone)]
pub(crate) struct DocumentLoader {
    store: Store,
    permits: Arc<Semaphore>,
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
        Self { store, permits: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, LoadError> {
        self.permits.acquire().await.map_err(|_closed| LoadError::Aborted)
    }

    /// Loads the text of a document at a version.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn content(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Content, LoadError> {
        let _permit = self.permit().await?;
        match self.read_content(document, version).await {
            // Changes that were forgotten between two queries leave a hole after the snapshot.
            Err(LoadError::NotKept) if self.exists(document, version).await? => {
                self.read_content(document, version).await
            }
            content => content,
        }
    }

    async fn read_content(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Content, LoadError> {
        let snapshot = self.snapshot(document, version).await?;
        let mut tail = self.tail(document, snapshot.version, version);
        let made = off_thread(snapshot.weight(), move || match snapshot.state {
            SnapshotState::Yjs(state) => Replica::text_of(&state),
            SnapshotState::Plain(text) => Ok(Content::from(&*text)),
        });
        let mut content = made.await??;
        while let Some(page) = tail.next().await? {
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

    /// Loads the replica of a document at a version. A text from before there were snapshots is given one first, so that every
    /// node has the same replica of it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn replica(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<LoadedReplica, LoadError> {
        let _permit = self.permit().await?;
        loop {
            let snapshot = self.snapshot(document, version).await?;
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
    /// is in memory.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) async fn fill(
        &self,
        document: DocumentId,
        before: Option<Content>,
        mut changes: Vec<Change>,
    ) -> Result<Vec<Change>, LoadError> {
        let Some(first) = changes.first() else { return Ok(changes) };
        let mut content = match before {
            Some(content) => content,
            None => self.content(document, first.version.previous()).await?,
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

    async fn snapshot(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Snapshot, LoadError> {
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
