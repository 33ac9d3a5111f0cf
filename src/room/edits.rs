//! Changes on their way into the store, one after the other.
//!
//! A room stores one order at a time, so that what is told comes in the order of its versions. The others wait
//! in a bounded queue. Pure: the actor runs what [`Edits::next`] hands out.

use std::collections::VecDeque;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    domain::{Change, Document, DocumentId, SessionId, UserId},
    store::{Accepted, ChangeRequest, StoreError},
};

/// A change that somebody wants stored.
#[derive(Debug, Clone)]
pub enum Order {
    /// A new title, text, or both.
    Change(ChangeRequest),
    /// The end of the document.
    Delete {
        /// The document.
        document: DocumentId,
        /// Who wants it gone.
        actor: UserId,
        /// On which session, if one is known.
        session: Option<SessionId>,
    },
}

/// Why a change was not stored, or may not have been.
#[derive(Debug, Error)]
pub enum EditError {
    /// Too many changes of this document wait already.
    #[error("too many changes of the document are waiting")]
    Busy,
    /// The room ended before it could say what became of the change.
    #[error("the room ended before the change was answered")]
    Unanswered,
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of an order.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The document after it; none when it was deleted.
    pub document: Option<Document>,
    /// One per new version, in order; none if nothing was different.
    pub changes: Vec<Change>,
}

impl From<Accepted> for Stored {
    fn from(Accepted { document, changes }: Accepted) -> Self {
        Self { document: Some(document), changes }
    }
}

/// A deletion.
impl From<Change> for Stored {
    fn from(deletion: Change) -> Self {
        Self { document: None, changes: vec![deletion] }
    }
}

/// Where the answer goes.
pub(super) type Reply = oneshot::Sender<Result<Stored, EditError>>;

/// The queue of a room.
#[derive(Debug)]
pub(super) struct Edits {
    waiting: VecDeque<(Order, Reply)>,
    bound: usize,
    storing: bool,
}

impl Edits {
    /// An empty queue for at most `bound` waiting orders.
    pub(super) fn new(bound: usize) -> Self {
        Self { waiting: VecDeque::new(), bound, storing: false }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// Gives the reply channel back when the queue is at its bound.
    pub(super) fn push(&mut self, order: Order, reply: Reply) -> Result<(), Reply> {
        if self.waiting.len() >= self.bound {
            return Err(reply);
        }
        self.waiting.push_back((order, reply));
        Ok(())
    }

    /// The order to store now: none while one is being stored, or when nothing waits.
    pub(super) fn next(&mut self) -> Option<(Order, Reply)> {
        if self.storing {
            return None;
        }
        let next = self.waiting.pop_front();
        self.storing = next.is_some();
        next
    }

    /// The order that was handed out is stored, or was refused.
    pub(super) fn stored(&mut self) {
        self.storing = false;
    }

    /// Whether nothing waits and nothing is being stored.
    pub(super) fn is_idle(&self) -> bool {
        !self.storing && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order::Delete { document: DocumentId::new(), actor: UserId::new(), session: None }
    }

    #[test]
    fn orders_are_handed_out_one_at_a_time_and_refused_past_the_bound() {
        let mut edits = Edits::new(1);
        assert!(edits.next().is_none());
        edits.push(order(), oneshot::channel().0).unwrap();
        assert!(edits.push(order(), oneshot::channel().0).is_err());

        assert!(edits.next().is_some());
        edits.push(order(), oneshot::channel().0).unwrap();
        assert!(edits.next().is_none());
        assert!(!edits.is_idle());

        edits.stored();
        assert!(edits.next().is_some());
        edits.stored();
        assert!(edits.is_idle());
    }
}
