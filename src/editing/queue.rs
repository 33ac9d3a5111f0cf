//! The edits of a room that wait for a commit turn.
//!
//! While one batch is being stored the next one gathers here, so that one commit serves many authors of a document. The
//! queue is bounded in edits and in bytes. Pure: the actor runs what [`EditQueue::take_batch`] returns.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{EditKind, EditRequest, job::Answer};

/// The most edits in one commit.
const MAX_BATCH: usize = 64;

/// The most bytes in one commit, unless a single edit is larger.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The channel on which the author waits for the answer.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// Where the answer to an edit arrives.
pub(crate) type Reception = oneshot::Receiver<Answer>;

/// An edit that waits to be stored.
#[derive(Debug)]
pub(crate) struct QueuedEdit {
    pub(crate) request: EditRequest,
    pub(crate) reply: Reply,
}

/// The queue of one room.
#[derive(Debug)]
pub(crate) struct EditQueue {
    edits: VecDeque<QueuedEdit>,
    /// Size of the queued edits, in bytes.
    bytes: usize,
    /// The most edits.
    capacity: usize,
    /// The most bytes, unless a single edit is larger.
    capacity_bytes: usize,
}

impl EditQueue {
    /// Returns an empty queue for `capacity` edits of `capacity_bytes` bytes in total.
    pub(crate) fn new(capacity: usize, capacity_bytes: usize) -> Self {
        Self { edits: VecDeque::new(), bytes: 0, capacity, capacity_bytes }
    }

    /// Queues an edit.
    ///
    /// # Errors
    /// Returns the reply channel when the queue is full.
    pub(super) fn push(&mut self, edit: QueuedEdit) -> Result<(), Reply> {
        let bytes = self.bytes + edit.request.bytes();
        let is_full = self.edits.len() >= self.capacity;
        if is_full || (!self.edits.is_empty() && bytes > self.capacity_bytes) {
            return Err(edit.reply);
        }
        self.bytes = bytes;
        self.edits.push_back(edit);
        Ok(())
    }

    /// Removes the edits to store next, in order of arrival. A deletion is alone in its batch, and no batch has two edits
    /// of one author and name.
    pub(super) fn take_batch(&mut self) -> Vec<QueuedEdit> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(edit) = self.edits.pop_front_if(|edit| {
            bytes += edit.request.bytes();
            let fits = bytes <= MAX_BATCH_BYTES && batch.len() < MAX_BATCH;
            batch.is_empty() || (fits && may_join(&edit.request, &batch))
        }) {
            self.bytes -= edit.request.bytes();
            batch.push(edit);
        }
        batch
    }

    /// Removes the edits that were made for a version.
    pub(super) fn take_based(&mut self) -> Vec<QueuedEdit> {
        let (based, others): (Vec<_>, Vec<_>) =
            self.edits.drain(..).partition(|edit| edit.request.has_base());
        self.bytes -= based.iter().map(|edit| edit.request.bytes()).sum::<usize>();
        self.edits.extend(others);
        based
    }

    /// Whether no edit waits.
    pub(super) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }
}

fn may_join(request: &EditRequest, batch: &[QueuedEdit]) -> bool {
    let is_deletion = |request: &EditRequest| matches!(request.kind, EditKind::Delete);
    let is_same = |other: &EditRequest| {
        request.name.is_some() && other.name == request.name && other.author == request.author
    };
    let mut others = batch.iter().map(|edit| &edit.request);
    !is_deletion(request) && !others.any(|other| is_deletion(other) || is_same(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, EditId, Text, UserId};

    fn request(kind: EditKind) -> EditRequest {
        EditRequest {
            document: DocumentId::new(),
            author: UserId::new(),
            session: None,
            name: None,
            kind,
        }
    }

    /// An edit of `length` bytes.
    fn edit(length: usize) -> EditRequest {
        let content = Some(Text::new("x".repeat(length), 10_000_000).unwrap());
        request(EditKind::Replace { title: None, content, base: None })
    }

    fn push(queue: &mut EditQueue, request: EditRequest) -> bool {
        queue.push(QueuedEdit { request, reply: oneshot::channel().0 }).is_ok()
    }

    fn batch_size(queue: &mut EditQueue) -> usize {
        queue.take_batch().len()
    }

    #[test]
    fn waiting_edits_are_taken_together_and_refused_when_the_queue_is_full() {
        let mut queue = EditQueue::new(2, 100);
        assert_eq!(batch_size(&mut queue), 0);
        assert!(push(&mut queue, edit(1)));
        assert!(push(&mut queue, edit(1)));
        assert!(!push(&mut queue, edit(1)));

        assert_eq!(batch_size(&mut queue), 2);
        assert!(push(&mut queue, edit(1)));
        assert_eq!(batch_size(&mut queue), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_takes_one_edit_of_any_size() {
        let mut queue = EditQueue::new(10, 100);
        assert!(push(&mut queue, edit(500)));
        assert!(!push(&mut queue, edit(1)));

        assert_eq!(batch_size(&mut queue), 1);
        assert!(push(&mut queue, edit(60)));
        assert!(push(&mut queue, edit(40)));
        assert!(!push(&mut queue, edit(1)));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes() {
        let mut queue = EditQueue::new(10, 10_000_000);
        for _ in 0..2 {
            assert!(push(&mut queue, edit(MAX_BATCH_BYTES)));
        }
        assert_eq!(batch_size(&mut queue), 1);
        assert_eq!(batch_size(&mut queue), 1);
    }

    #[test]
    fn a_deletion_is_alone_and_a_repeated_edit_waits_for_the_first() {
        let mut queue = EditQueue::new(10, 100);
        let named = EditRequest { name: Some(EditId::unique()), ..edit(1) };
        for request in [named.clone(), named, edit(1), request(EditKind::Delete), edit(1)] {
            assert!(push(&mut queue, request));
        }
        let mut batches = Vec::new();
        while !queue.is_empty() {
            batches.push(batch_size(&mut queue));
        }
        assert_eq!(batches, [1, 2, 1, 1]);
    }
}
