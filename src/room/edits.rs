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

impl Order {
    /// Who gives it.
    pub(super) fn author(&self) -> UserId {
        match self {
            Self::Change(request) => request.author,
            Self::Delete { actor, .. } => *actor,
        }
    }

    /// The bytes of text that it brings.
    fn bytes(&self) -> usize {
        match self {
            Self::Change(request) => request.content.as_ref().map_or(0, |text| text.as_str().len()),
            Self::Delete { .. } => 0,
        }
    }
}

/// The queue of a room.
#[derive(Debug)]
pub(super) struct Edits {
    waiting: VecDeque<(Order, Reply)>,
    /// The bytes of text that wait.
    bytes: usize,
    bound: usize,
    /// How many bytes may wait when something waits already.
    bound_bytes: usize,
    storing: bool,
}

impl Edits {
    /// An empty queue for at most `bound` waiting orders with `bound_bytes` of text.
    pub(super) fn new(bound: usize, bound_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bound, bound_bytes, storing: false }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// Gives the reply channel back when the queue is at its bound.
    pub(super) fn push(&mut self, order: Order, reply: Reply) -> Result<(), Reply> {
        let bytes = self.bytes + order.bytes();
        if self.waiting.len() >= self.bound
            || (!self.waiting.is_empty() && bytes > self.bound_bytes)
        {
            return Err(reply);
        }
        self.bytes = bytes;
        self.waiting.push_back((order, reply));
        Ok(())
    }

    /// The order to store now: none while one is being stored, or when nothing waits.
    pub(super) fn next(&mut self) -> Option<(Order, Reply)> {
        if self.storing {
            return None;
        }
        let next = self.waiting.pop_front();
        if let Some((order, _)) = &next {
            self.bytes -= order.bytes();
            self.storing = true;
        }
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
    use crate::domain::Text;

    fn order() -> Order {
        Order::Delete { document: DocumentId::new(), actor: UserId::new(), session: None }
    }

    #[test]
    fn orders_are_handed_out_one_at_a_time_and_refused_past_the_bound() {
        let mut edits = Edits::new(1, 100);
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

    #[test]
    fn what_waits_is_bounded_in_bytes_and_one_text_of_any_size_may_wait() {
        let change = |length: usize| {
            Order::Change(ChangeRequest {
                document: DocumentId::new(),
                author: UserId::new(),
                session: None,
                title: None,
                content: Some(Text::new("x".repeat(length), 1_000).unwrap()),
                base_version: None,
            })
        };
        let mut edits = Edits::new(10, 100);
        edits.push(change(500), oneshot::channel().0).unwrap();
        assert!(edits.push(change(1), oneshot::channel().0).is_err());

        assert!(edits.next().is_some());
        edits.push(change(60), oneshot::channel().0).unwrap();
        edits.push(change(40), oneshot::channel().0).unwrap();
        assert!(edits.push(change(1), oneshot::channel().0).is_err());
    }
}
