//! The documents that a socket has open.

use std::collections::HashMap;

use super::counted_updates::CountedUpdates;
use crate::{
    domain::DocumentId,
    room::Subscription,
    session::{EditorConversation, yjs::steps::EditorSteps},
    wire::hocuspocus::DocumentName,
};

/// Identifies a document on a socket. When the document is closed and opened again, it has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct DocumentKey(u64);

/// A document that a socket opens or has open.
pub(super) struct SocketDocument {
    pub(super) key: DocumentKey,
    pub(super) document: DocumentId,
    pub(super) steps: EditorSteps,
    pub(super) updates: CountedUpdates,
    /// The seat; `None` before the session has it.
    pub(super) subscription: Option<Subscription>,
}

/// The documents of a socket.
#[derive(Default)]
pub(super) struct SocketDocuments {
    documents: HashMap<DocumentName, SocketDocument>,
    opened: u64,
    /// The name of the document that was opened last.
    newest: Option<DocumentName>,
}

impl SocketDocuments {
    /// Adds a document, and returns its key.
    pub(super) fn add(
        &mut self,
        name: DocumentName,
        document: DocumentId,
        conversation: Box<dyn EditorConversation>,
    ) -> (DocumentKey, &mut SocketDocument) {
        self.opened += 1;
        let key = DocumentKey(self.opened);
        self.newest = Some(name.clone());
        let added = SocketDocument {
            key,
            document,
            steps: EditorSteps::of(conversation),
            updates: CountedUpdates::default(),
            subscription: None,
        };
        (key, self.documents.entry(name).insert_entry(added).into_mut())
    }

    /// Returns the number of documents.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Returns whether a document is open under any name.
    pub(super) fn has(&self, document: DocumentId) -> bool {
        self.documents.values().any(|open| open.document == document)
    }

    /// Returns the document with a name.
    pub(super) fn get_mut(&mut self, name: &DocumentName) -> Option<&mut SocketDocument> {
        self.documents.get_mut(name)
    }

    /// Returns the name of the document with a key, unless it was closed.
    pub(super) fn name_of(&self, key: DocumentKey) -> Option<DocumentName> {
        let open = self.documents.iter().find(|(_name, open)| open.key == key);
        open.map(|(name, _open)| name.clone())
    }

    /// Returns the names of all documents.
    pub(super) fn names(&self) -> Vec<DocumentName> {
        self.documents.keys().cloned().collect()
    }

    /// Returns the name of a document, of the one that was opened last if it is still open.
    pub(super) fn newest(&self) -> Option<&DocumentName> {
        let newest = self.newest.as_ref().filter(|name| self.documents.contains_key(*name));
        newest.or_else(|| self.documents.keys().next())
    }

    /// Removes a document.
    pub(super) fn remove(&mut self, name: &DocumentName) -> Option<SocketDocument> {
        self.documents.remove(name)
    }

    /// Removes all documents.
    pub(super) fn remove_all(&mut self) -> impl Iterator<Item = SocketDocument> {
        std::mem::take(&mut self.documents).into_values()
    }

    /// Returns whether messages of a document have to wait.
    pub(super) fn are_full(&self) -> bool {
        self.documents.values().any(|open| open.steps.is_full())
    }

    /// Returns whether an update of a document is not stored yet.
    pub(super) fn have_unsaved_updates(&self) -> bool {
        self.documents.values().any(|open| open.steps.has_unsaved_updates())
    }
}
