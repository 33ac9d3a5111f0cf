//! The documents that a socket has open.

use std::{collections::HashMap, mem};

use futures_util::future::{BoxFuture, Shared};

use super::counted_updates::CountedUpdates;
use crate::{
    domain::DocumentId,
    room::Subscription,
    session::{EditorConversation, WaitingUpdates, yjs::steps::EditorSteps},
    wire::hocuspocus::SocketName,
};

/// The most documents that may be closing before the socket waits for them.
const MAX_CLOSING: usize = 16;

/// Identifies a document on a socket. When the document is closed and opened again, it has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct SocketDocumentKey(u64);

/// A document that a socket opens or has open.
pub(super) struct SocketDocument {
    pub(super) key: SocketDocumentKey,
    pub(super) document: DocumentId,
    pub(super) steps: EditorSteps,
    pub(super) updates: CountedUpdates,
    /// Whether its seat is requested.
    pub(super) is_entering: bool,
    /// The seat; `None` before the session has it.
    pub(super) subscription: Option<Subscription>,
    /// The stateless messages that wait for the seat.
    pub(super) early: Vec<String>,
}

impl SocketDocument {
    /// Returns how much waits to be stored or sent.
    pub(super) fn waiting(&self) -> WaitingUpdates {
        let WaitingUpdates { updates, bytes } = self.steps.waiting();
        let early_bytes = self.early.iter().map(String::len).sum::<usize>();
        WaitingUpdates { updates: updates + self.early.len(), bytes: bytes + early_bytes }
    }
}

/// A document that was closed and whose last updates are being committed.
struct ClosingDocument {
    key: SocketDocumentKey,
    document: DocumentId,
    /// The bytes of its last updates.
    bytes: usize,
    /// Whether a step of its conversation commits.
    is_committing: bool,
    /// The commit of the updates that no step had begun to commit.
    rest: Option<RestCommit>,
}

/// The commit of the last updates of a document. Clones wait for the same one.
pub(super) type RestCommit = Shared<BoxFuture<'static, ()>>;

/// The documents of a socket.
#[derive(Default)]
pub(super) struct SocketDocuments {
    documents: HashMap<SocketName, SocketDocument>,
    opened: u64,
    /// How often all documents were asked for in turn.
    turns: usize,
    closing: Vec<ClosingDocument>,
}

impl SocketDocuments {
    /// Adds a document, which is to be entered.
    pub(super) fn add(
        &mut self,
        name: SocketName,
        document: DocumentId,
        conversation: Box<dyn EditorConversation>,
    ) {
        self.opened += 1;
        let key = SocketDocumentKey(self.opened);
        let added = SocketDocument {
            key,
            document,
            steps: EditorSteps::of(conversation),
            updates: CountedUpdates::default(),
            is_entering: false,
            subscription: None,
            early: Vec::new(),
        };
        self.documents.insert(name, added);
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
    pub(super) fn get_mut(&mut self, name: &SocketName) -> Option<&mut SocketDocument> {
        self.documents.get_mut(name)
    }

    /// Returns the name of the document with a key, unless it was closed.
    pub(super) fn name_of(&self, key: SocketDocumentKey) -> Option<SocketName> {
        let open = self.documents.iter().find(|(_name, open)| open.key == key);
        open.map(|(name, _open)| name.clone())
    }

    /// Returns the names of all documents.
    pub(super) fn names(&self) -> Vec<SocketName> {
        self.documents.keys().cloned().collect()
    }

    /// Returns the names of all documents, each time with another one first.
    pub(super) fn names_in_turn(&mut self) -> Vec<SocketName> {
        let mut names = self.names();
        self.turns = self.turns.wrapping_add(1);
        if let Some(first) = self.turns.checked_rem(names.len()) {
            names.rotate_left(first);
        }
        names
    }

    /// Notes that a document was closed. `bytes` is the size of its updates that are not stored, and `rest` commits those that no step
    /// had begun to commit. Until all commits have ended, the document is not entered again: its new seat would not receive what
    /// its own session writes.
    pub(super) fn note_closing(
        &mut self,
        closed: &SocketDocument,
        bytes: usize,
        rest: Option<RestCommit>,
    ) {
        let is_committing = closed.steps.has_unsaved_updates();
        let (key, document) = (closed.key, closed.document);
        self.closing.push(ClosingDocument { key, document, bytes, is_committing, rest });
        self.forget_closed();
    }

    /// Notes that the last step of a closed document has ended.
    pub(super) fn end_step(&mut self, key: SocketDocumentKey) {
        let closing = self.closing.iter_mut().filter(|closing| closing.key == key);
        closing.for_each(|closing| closing.is_committing = false);
        self.forget_closed();
    }

    /// Notes that the rest of a closed document is committed, or cannot be.
    pub(super) fn end_rest(&mut self, key: SocketDocumentKey) {
        let closing = self.closing.iter_mut().filter(|closing| closing.key == key);
        closing.for_each(|closing| closing.rest = None);
        self.forget_closed();
    }

    /// Returns the commit after which the next one of a document may begin: what was typed later depends on it.
    pub(super) fn last_rest(&self, document: DocumentId) -> Option<RestCommit> {
        let mut of_document =
            self.closing.iter().rev().filter(|closing| closing.document == document);
        of_document.find_map(|closing| closing.rest.clone())
    }

    fn forget_closed(&mut self) {
        self.closing.retain(|closing| closing.is_committing || closing.rest.is_some());
    }

    /// Returns the names of documents whose seat can be requested now.
    pub(super) fn to_enter(&self) -> Vec<SocketName> {
        let is_ready = |open: &SocketDocument| {
            let is_closing = self.closing.iter().any(|closing| closing.document == open.document);
            !open.is_entering && !is_closing
        };
        let ready = self.documents.iter().filter(|(_name, open)| is_ready(open));
        ready.map(|(name, _open)| name.clone()).collect()
    }

    /// Removes a document.
    pub(super) fn remove(&mut self, name: &SocketName) -> Option<SocketDocument> {
        self.documents.remove(name)
    }

    /// Removes all documents.
    pub(super) fn remove_all(&mut self) -> impl Iterator<Item = SocketDocument> {
        mem::take(&mut self.documents).into_values()
    }

    /// Notes that no more updates arrive that the providers have queued.
    pub(super) fn end_flush(&mut self) {
        self.documents.values_mut().for_each(|open| open.updates.end_flush());
    }

    /// Returns whether the socket should not be read: one document has more waiting updates than `most` allows, all documents together
    /// have more waiting bytes, or too many documents are closing.
    pub(super) fn are_full(&self, most: WaitingUpdates) -> bool {
        let mut bytes = self.closing.iter().map(|closing| closing.bytes).sum::<usize>();
        for open in self.documents.values() {
            let waiting = open.waiting();
            if waiting.updates > most.updates {
                return true;
            }
            bytes += waiting.bytes;
        }
        bytes > most.bytes || self.closing.len() >= MAX_CLOSING
    }

    /// Returns whether an update of a document is not stored yet.
    pub(super) fn have_unsaved_updates(&self) -> bool {
        !self.closing.is_empty()
            || self.documents.values().any(|open| open.steps.has_unsaved_updates())
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
