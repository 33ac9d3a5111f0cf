//! Compaction: a document begins a new history with its present content.
//!
//! It is a change with a version of its own, which changes neither text nor title. So it is ordered with all other changes,
//! and nodes that have the document open learn of it as of any other change. Editors of the old history are closed.

use thiserror::Error;

use super::{
    CorruptDocument, LoadError, Replica, StateError, Uncopied, document_load::Target,
    full_document::unlimited_loader, loader::off_thread, log_tail::LogTail,
};
use crate::{
    domain::{Budget, Content, Delta, DocumentId, Party, Version},
    store::{SnapshotState, Store, StoreError},
};

/// The most attempts while others change the document.
const MAX_ATTEMPTS: usize = 5;

/// What a compacted document keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All content.
    Everything,
    /// The plain text only. It is read from the oldest snapshot and the deltas of all changes after it, so the present Yjs
    /// state need not be loaded.
    Text,
}

/// A compacted document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The version of the compaction.
    pub version: Version,
    /// The size of the new Yjs state, in bytes.
    pub bytes: usize,
}

/// Why a document was not compacted. It is unchanged.
#[derive(Debug, Error)]
pub enum CompactError {
    /// There is no such document, or it was deleted.
    #[error("there is no document with this id")]
    NoDocument,
    /// Some of its content cannot be copied.
    #[error("{0}; only the plain text can be kept: repeat the command with --text-only")]
    Uncopied(#[from] Uncopied),
    /// It could not be loaded.
    #[error("the document could not be loaded")]
    Load(#[from] LoadError),
    /// Others changed it in every attempt.
    #[error("the document was changed meanwhile; try again")]
    Overtaken,
}

impl From<StoreError> for CompactError {
    fn from(error: StoreError) -> Self {
        Self::Load(error.into())
    }
}

/// Compacts a document, however long that takes.
///
/// # Errors
/// [`CompactError`].
pub async fn compact(
    store: &Store,
    document: DocumentId,
    kept: Kept,
) -> Result<Compacted, CompactError> {
    for _ in 0..MAX_ATTEMPTS {
        let head = store.find_head(document).await?.ok_or(CompactError::NoDocument)?;
        let state = match kept {
            Kept::Everything => copy_everything(store, document, head.version).await?,
            Kept::Text => {
                let text = read_text(store, document, head.version).await?;
                off_thread(usize::MAX, move || Replica::of(&text.to_string()).state()).await?
            }
        };
        let bytes = state.len();
        if let Some(version) = store.store_compaction(document, &head, state, Party::Node).await? {
            return Ok(Compacted { version, bytes });
        }
    }
    Err(CompactError::Overtaken)
}

async fn copy_everything(
    store: &Store,
    document: DocumentId,
    version: Version,
) -> Result<Vec<u8>, CompactError> {
    let loaded = unlimited_loader(store).replica(document, version, Party::Node).await?;
    let copy = move || loaded.replica.compacted().map(|copy| copy.state());
    Ok(off_thread(usize::MAX, copy).await??)
}

/// Reads the text at a version from the oldest snapshot and the log.
async fn read_text(
    store: &Store,
    document: DocumentId,
    version: Version,
) -> Result<Content, LoadError> {
    let oldest = store.find_oldest_snapshot(document).await?.ok_or(LoadError::NotKept)?;
    let target = Target { document, version, party: Party::Node };
    let mut tail = LogTail::new(store.clone(), target, oldest.version);
    let read = move || match oldest.state {
        SnapshotState::Yjs(state) => {
            Replica::text_of(&state, &Budget::unlimited()).map(|(text, _)| text)
        }
        SnapshotState::Plain(text) => Ok(Content::from(&*text)),
    };
    let mut content = off_thread(usize::MAX, read).await?.map_err(|error| match error {
        StateError::Corrupt(corrupt) => LoadError::Corrupt(corrupt),
        StateError::Exhausted(_) => LoadError::Aborted,
    })?;
    while let Some(page) = tail.next().await? {
        let deltas = page.iter().filter_map(|change| change.delta.as_deref().cloned());
        let all = Delta::compose_all(deltas.collect());
        content = content.apply(&all).map_err(|misfit| CorruptDocument::log(&misfit))?;
    }
    Ok(content)
}
