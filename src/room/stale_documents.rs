//! Documents whose room may have missed a message from another node.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::DocumentId;

/// The documents to compare with the store soon.
#[derive(Default)]
pub(super) struct StaleDocuments {
    documents: Mutex<HashSet<DocumentId>>,
    added: Notify,
}

impl StaleDocuments {
    /// Adds a document and wakes the task that compares.
    pub(super) fn add(&self, document: DocumentId) {
        self.documents.lock().insert(document);
        self.added.notify_one();
    }

    /// Adds documents for the next comparison without asking for one now.
    pub(super) fn keep(&self, documents: &[DocumentId]) {
        self.documents.lock().extend(documents);
    }

    /// Removes and returns the documents.
    pub(super) fn take(&self) -> HashSet<DocumentId> {
        std::mem::take(&mut self.documents.lock())
    }

    /// Waits until a document is added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }
}
