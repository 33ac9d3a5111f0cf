//! New documents from a Yjs state.
//!
//! A state of another server gets a history mark, as every document has. That of a document of coscribe keeps its own, so that pages
//! with a copy of that document, such as one in IndexedDB, can go on with the new one.

use bytes::Bytes;
use protocol::{domain::Budget, wire::yjs::MAX_CLIENT};
use yrs::{ClientID, ReadTxn as _, Transact as _};

use super::{
    large_update::read,
    marks::Marks,
    merge::{MergeBounds, MergeError},
    replica::{Replica, StateError, fresh_client_id},
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
    /// [`MergeError::MissingDependencies`]: the budget ended.
    pub fn adopted(mut self, body: Option<&str>, budget: &Budget) -> Result<Self, MergeError> {
        let is_named = body.is_none() || self.named_body().as_deref() == body;
        if self.is_adopting {
            self.is_adopting = false;
            let mark = self.only_mark().ok_or(MergeError::Unrelated)?;
            if !is_named {
                // A change of the mark's client is a part of the creation, which cannot be taken back.
                self = self.written_by(mark.get(), budget).map_err(|error| match error {
                    StateError::Corrupt(corrupt) => MergeError::Malformed(corrupt.to_string()),
                    StateError::Exhausted(_) => MergeError::MissingDependencies,
                })?;
            }
        }
        if let Some(body) = body.filter(|_body| !is_named) {
            self.name_body(body);
        }
        Ok(self)
    }

    /// Returns the client of the history mark, if the document has one, and changes of no client that could be another one.
    fn only_mark(&self) -> Option<ClientID> {
        let txn = self.doc.transact();
        let clients = txn.state_vector();
        let clients = clients.iter().map(|(client, _clock)| *client);
        let mut marks = clients.filter(|client| client.get() > MAX_CLIENT);
        let mark = marks.next()?;
        (marks.next().is_none() && Marks::read(&txn).are_of(mark)).then_some(mark)
    }
}

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;
