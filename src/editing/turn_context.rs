//! What a commit turn needs besides the document: the store, the loader, permits and limits.

use std::time::Duration;

use super::{loader::DocumentLoader, work_permits::WorkPermits};
use crate::{domain::DocumentId, store::Store};

/// What a commit turn needs besides the document.
#[derive(Clone)]
pub(crate) struct TurnContext {
    pub(crate) document: DocumentId,
    pub(crate) store: Store,
    pub(crate) loader: DocumentLoader,
    /// The largest text, in bytes of UTF-8.
    pub(crate) max_text_bytes: usize,
    /// The largest Yjs state, in bytes.
    pub(crate) max_state_bytes: usize,
    /// The most structs in an update of a Yjs editor.
    pub(crate) max_structs: usize,
    /// The most structs in a document.
    pub(crate) max_document_structs: usize,
    /// The number of clients in a document up to which a Yjs update may add one.
    pub(crate) max_clients: usize,
    /// How long applying one edit may take.
    pub(crate) apply_within: Duration,
    /// Permits for work on large texts.
    pub(crate) permits: WorkPermits,
    /// The most bytes of changes that an edit is rebased over.
    pub(crate) rebase_bytes: usize,
}
