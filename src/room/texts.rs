//! Texts and replicas out of what is stored: a snapshot and the changes after it.

use thiserror::Error;

use super::replica::{Corrupt, Replica};
use crate::{
    domain::{Change, Content, Delta, DocumentId, Version},
    store::{Snapshot, State, Store, StoreError},
};

/// How many bytes of the log are read at once.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;

/// Work on more than so many bytes is done off the threads that serve sockets.
pub(super) const INLINE_BYTES: usize = 64 * 1024;

/// Why the text of a document at a version could not be made.
#[derive(Debug, Error)]
pub enum TextError {
    /// The document is gone, or the version is older than what is kept.
    #[error("the text at this version is not kept")]
    NotKept,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored makes no sense: a fault.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The work was given up.
    #[error("making the text was given up")]
    Aborted,
}

impl TextError {
    /// The same once more, for somebody else whom the same failure hit.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::NotKept => Self::NotKept,
            Self::Store(error) => Self::Store(error.again()),
            Self::Corrupt(error) => Self::Corrupt(error.clone()),
            Self::Aborted => Self::Aborted,
        }
    }
}

/// Runs `work` where it holds nobody up: here if it is on a few `bytes`, else on a thread of its own.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TextError> {
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_panicked| TextError::Aborted)
}

/// The text of a document at a version.
///
/// # Errors
/// [`TextError`].
pub(super) async fn load_content(
    store: &Store,
    document: DocumentId,
    version: Version,
) -> Result<Content, TextError> {
    let (snapshot, changes) = read(store, document, version).await?;
    let weight = snapshot.weight() + changes.iter().map(Change::weight).sum::<usize>();
    off_thread(weight, move || {
        let content = match snapshot.state {
            State::Yjs(state) => Replica::text_of(&state)?,
            State::Plain(text) => Content::from(&*text),
        };
        let deltas: Vec<Delta> =
            changes.iter().filter_map(|change| change.delta.as_deref().cloned()).collect();
        let all = Delta::compose_all(deltas);
        content.apply(&all).map_err(|misfit| TextError::Corrupt(Corrupt::log(&misfit)))
    })
    .await?
}

/// The replica of a document at a version, and the version of the snapshot that it was made from. A text that was stored before there were snapshots gets one first, so
/// that every node has the same replica of it.
///
/// # Errors
/// [`TextError`].
pub(super) async fn load_replica(
    store: &Store,
    document: DocumentId,
    version: Version,
) -> Result<(Replica, Version), TextError> {
    loop {
        let (snapshot, changes) = read(store, document, version).await?;
        let weight = snapshot.weight() + changes.iter().map(Change::weight).sum::<usize>();
        match snapshot.state {
            State::Yjs(state) => {
                let load = move || {
                    let updates = changes.iter().filter_map(|change| change.update.as_deref());
                    Replica::load(&state, updates)
                };
                return Ok((off_thread(weight, load).await??, snapshot.version));
            }
            State::Plain(text) => {
                let state = off_thread(weight, move || Replica::of(&text).state()).await?;
                store.store_snapshot(document, snapshot.version, state).await?;
            }
        }
    }
}

/// Gives each of these changes, which follow each other, the text at its version.
///
/// # Errors
/// [`TextError`].
pub(super) async fn fill_contents(
    store: &Store,
    document: DocumentId,
    changes: &mut [Change],
) -> Result<(), TextError> {
    let Some(first) = changes.first() else { return Ok(()) };
    let mut content = load_content(store, document, first.version.previous()).await?;
    for change in changes {
        if let Some(delta) = &change.delta {
            content = content.apply(delta).map_err(|misfit| Corrupt::log(&misfit))?;
        }
        change.content = Some(content.clone());
    }
    Ok(())
}

/// A snapshot and everything after it up to `version`.
async fn read(
    store: &Store,
    document: DocumentId,
    version: Version,
) -> Result<(Snapshot, Vec<Change>), TextError> {
    let snapshot = store.find_snapshot(document, version).await?.ok_or(TextError::NotKept)?;
    let (mut changes, mut last) = (Vec::new(), snapshot.version);
    while last < version {
        let page = store.list_changes(document, last, version, PAGE_BYTES).await?;
        if page.is_empty() {
            return Err(TextError::NotKept);
        }
        for change in page {
            if change.version != last.next() {
                return Err(TextError::NotKept);
            }
            last = change.version;
            changes.push(change);
        }
    }
    Ok((snapshot, changes))
}

impl Snapshot {
    fn weight(&self) -> usize {
        match &self.state {
            State::Yjs(state) => state.len(),
            State::Plain(text) => text.len(),
        }
    }
}
