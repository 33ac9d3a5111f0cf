//! A whole document at its head, for a command of the operator, however long loading it takes.

use serde_json::Value;

use super::{
    LoadError,
    document_load::LoadBounds,
    loader::{DocumentLoader, LoadedReplica, off_thread},
};
use crate::{
    domain::{DocumentId, Party},
    memory::{DocumentMemory, MemoryBounds},
    metrics::Metrics,
    store::{Head, Store},
    wire::yjs::for_clients,
};

/// The most attempts while the history of the document is being shortened or begins again.
const MAX_ATTEMPTS: usize = 5;

/// A whole document.
pub(crate) struct FullDocument {
    /// Its version and title.
    pub(crate) head: Head,
    /// The plain text of the body.
    pub(crate) text: String,
    /// The content as JSON.
    pub(crate) json: Value,
    /// The Yjs state as one Yjs v1 update, as clients receive it.
    pub(crate) state: Vec<u8>,
}

/// Loads a document. `None` if it does not exist, or was deleted.
///
/// # Errors
/// [`LoadError`].
pub(crate) async fn load_full(
    store: &Store,
    document: DocumentId,
) -> Result<Option<FullDocument>, LoadError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(head) = store.find_head(document).await? else { return Ok(None) };
        let loaded = unlimited_loader(store).replica(document, head.version, Party::Node).await;
        let LoadedReplica { replica, memory, .. } = match loaded {
            Err(LoadError::NotKept) => continue,
            loaded => loaded?,
        };
        let write = move || {
            let text = replica.body_text(usize::MAX).unwrap_or_default();
            let json = replica.content_json();
            let state = for_clients(&replica.state()).into_owned();
            drop((replica, memory));
            FullDocument { head, text, json, state }
        };
        return Ok(Some(off_thread(usize::MAX, write).await?));
    }
    Err(LoadError::NotKept)
}

/// Returns a loader without limits.
pub(super) fn unlimited_loader(store: &Store) -> DocumentLoader {
    let memory = DocumentMemory::new(MemoryBounds::UNLIMITED, Metrics::new());
    DocumentLoader::new(store.clone(), LoadBounds::NONE, memory, Metrics::new())
}
