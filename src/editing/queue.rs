//! Changes on their way into the store, batch by batch.
//!
//! While one batch is being stored the next one gathers in a bounded queue, so that what is told comes in the order
//! of its versions, and a document that many write takes one commit for many of them. Pure: the actor runs what
//! [`EditQueue::next`] hands out.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{EditError, EditKind, EditRequest, StoredEdit};

/// At most so many orders are stored together.
const MAX_BATCH: usize = 64;

/// At most so many bytes are stored together, unless one order alone has more.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// Where the answer goes.
pub(crate) type Reply = oneshot::Sender<Result<StoredEdit, EditError>>;

/// The queue of a room.
#[derive(Debug)]
pub(crate) struct EditQueue {
    waiting: VecDeque<(EditRequest, Reply)>,
    /// The bytes that wait.
    bytes: usize,
    bound: usize,
    /// How many bytes may wait when something waits already.
    bound_bytes: usize,
    storing: bool,
}

impl EditQueue {
    /// An empty queue for at most `bound` waiting orders with `bound_bytes` in them.
    pub(crate) fn new(bound: usize, bound_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bound, bound_bytes, storing: false }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// Gives the reply channel back when the queue is at its bound.
    pub(crate) fn push(&mut self, order: EditRequest, reply: Reply) -> Result<(), Reply> {
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

    /// The orders to store now, in the order in which they came: none while others are being stored, or when nothing
    /// waits. A deletion is alone, and no two have the same name and author.
    pub(crate) fn next(&mut self) -> (Vec<EditRequest>, Vec<Reply>) {
        let (mut orders, mut replies) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while !self.storing
            && let Some((order, reply)) = self.waiting.pop_front_if(|(order, _)| {
                bytes += order.bytes();
                orders.is_empty()
                    || (bytes <= MAX_BATCH_BYTES
                        && orders.len() < MAX_BATCH
                        && may_join(order, &orders))
            })
        {
            self.bytes -= order.bytes();
            orders.push(order);
            replies.push(reply);
        }
        self.storing |= !orders.is_empty();
        (orders, replies)
    }

    /// Nothing more is handed out until [`EditQueue::stored`].
    pub(crate) fn hold(&mut self) {
        self.storing = true;
    }

    /// The orders that were handed out are stored, or were refused.
    pub(crate) fn stored(&mut self) {
        self.storing = false;
    }

    /// Whether something is being stored.
    pub(crate) fn is_storing(&self) -> bool {
        self.storing
    }

    /// Whether nothing waits and nothing is being stored.
    pub(crate) fn is_idle(&self) -> bool {
        !self.storing && self.waiting.is_empty()
    }
}

fn may_join(order: &EditRequest, batch: &[EditRequest]) -> bool {
    let is_alone = |order: &EditRequest| matches!(order.wish, EditKind::Delete);
    let is_same = |other: &EditRequest| {
        order.edit.is_some() && other.edit == order.edit && other.author == order.author
    };
    !is_alone(order) && !batch.iter().any(|other| is_alone(other) || is_same(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, EditId, Text, UserId};

    fn order(wish: EditKind) -> EditRequest {
        EditRequest {
            document: DocumentId::new(),
            author: UserId::new(),
            session: None,
            edit: None,
            wish,
        }
    }

    fn change(length: usize) -> EditRequest {
        let content = Some(Text::new("x".repeat(length), 10_000_000).unwrap());
        order(EditKind::Replace { title: None, content, base: None })
    }

    fn push(edits: &mut EditQueue, order: EditRequest) -> bool {
        edits.push(order, oneshot::channel().0).is_ok()
    }

    fn next(edits: &mut EditQueue) -> usize {
        edits.next().0.len()
    }

    #[test]
    fn what_waits_is_handed_out_together_and_refused_past_the_bound() {
        let mut edits = EditQueue::new(2, 100);
        assert_eq!(next(&mut edits), 0);
        assert!(push(&mut edits, change(1)));
        assert!(push(&mut edits, change(1)));
        assert!(!push(&mut edits, change(1)));

        assert_eq!(next(&mut edits), 2);
        assert!(push(&mut edits, change(1)));
        assert_eq!(next(&mut edits), 0, "others are being stored");
        assert!(!edits.is_idle());

        edits.stored();
        assert_eq!(next(&mut edits), 1);
        edits.stored();
        assert!(edits.is_idle());
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_one_text_of_any_size_may_wait() {
        let mut edits = EditQueue::new(10, 100);
        assert!(push(&mut edits, change(500)));
        assert!(!push(&mut edits, change(1)));

        assert_eq!(next(&mut edits), 1);
        assert!(push(&mut edits, change(60)));
        assert!(push(&mut edits, change(40)));
        assert!(!push(&mut edits, change(1)));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_too() {
        let mut edits = EditQueue::new(10, 10_000_000);
        for _ in 0..2 {
            assert!(push(&mut edits, change(MAX_BATCH_BYTES)));
        }
        assert_eq!(next(&mut edits), 1);
        edits.stored();
        assert_eq!(next(&mut edits), 1);
    }

    #[test]
    fn a_deletion_is_alone_and_a_repetition_waits_for_what_it_repeats() {
        let mut edits = EditQueue::new(10, 100);
        let named = EditRequest { edit: Some(EditId::unique()), ..change(1) };
        for order in [named.clone(), named, change(1), order(EditKind::Delete), change(1)] {
            assert!(push(&mut edits, order));
        }
        let mut batches = Vec::new();
        while !edits.is_idle() {
            batches.push(next(&mut edits));
            edits.stored();
        }
        assert_eq!(batches, [1, 2, 1, 1]);
    }
}
