//! New documents from a Yjs state.
//!
//! A state of another server gets a history mark, as every document has. That of a document of coscribe keeps its own, so that pages
//! with a copy of that document, such as one in IndexedDB, can go on with the new one.

use bytes::Bytes;
use protocol::wire::yjs::MAX_CLIENT;
use yrs::{ReadTxn as _, Transact as _};

use super::{
    large_update::read,
    marks::Marks,
    merge::{MergeBounds, MergeError},
    replica::{Replica, fresh_client_id},
};

impl Replica {
    /// Returns the document into which a state is to be merged to become a document: with a new history mark, or without one if the
    /// state has its own. [`adopted`](Self::adopted) ends this.
    ///
    /// # Errors
    /// [`MergeError`] if the state cannot be read.
    pub fn to_adopt(state: &Bytes, bounds: &MergeBounds) -> Result<Self, MergeError> {
        if !read(state, bounds)?.ranges().any(|(client, _start, _end)| client > MAX_CLIENT) {
            return Ok(Self::of(""));
        }
        Ok(Self { is_adopting: true, ..Self::empty(fresh_client_id()) })
    }

    /// Returns the document after a state was merged into it, as one whose history mark never changes. `body` names its body, whatever
    /// name the state has.
    ///
    /// # Errors
    /// [`MergeError::Unrelated`]: the history mark of the state is not one that a server has written.
    pub fn adopted(mut self, body: Option<&str>) -> Result<Self, MergeError> {
        if self.is_adopting {
            self.is_adopting = false;
            if !self.has_one_mark() {
                return Err(MergeError::Unrelated);
            }
        }
        if let Some(body) = body {
            self.name_body(body);
        }
        Ok(self)
    }

    /// Whether the document has a history mark, and changes of no client that could be another one.
    fn has_one_mark(&self) -> bool {
        let txn = self.doc.transact();
        let clients = txn.state_vector();
        let clients = clients.iter().map(|(client, _clock)| *client);
        let mut marks = clients.filter(|client| client.get() > MAX_CLIENT);
        match (marks.next(), marks.next()) {
            (Some(mark), None) => Marks::read(&txn).are_of(mark),
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;
