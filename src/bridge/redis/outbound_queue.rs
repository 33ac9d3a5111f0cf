//! The queue of messages to publish: in order, and bounded by bytes. Pure.

use std::collections::{HashSet, VecDeque};

use tokio::sync::oneshot;

use crate::domain::DocumentId;

/// The queue's capacity in bytes. When it is full, further messages are dropped, and the other nodes
/// are made to reconcile the documents of these messages.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The most messages that are published in one round trip.
const MAX_BATCH: usize = 256;

/// A message to publish on one channel.
#[derive(Debug)]
pub(super) struct OutboundMessage {
    pub(super) channel: String,
    pub(super) bytes: Vec<u8>,
    /// The document to reconcile if the message is lost. `None` for messages to a single node.
    pub(super) document: Option<DocumentId>,
    /// Receives the number of subscribers that the message reached.
    pub(super) subscriber_count: Option<oneshot::Sender<u64>>,
}

/// The queue, and the documents whose messages were lost.
#[derive(Debug, Default)]
pub(super) struct OutboundQueue {
    messages: VecDeque<OutboundMessage>,
    bytes: usize,
    lost: HashSet<DocumentId>,
}

impl OutboundQueue {
    /// Queues a message. Returns false if the queue is full: the message is dropped, and its document
    /// recorded as lost.
    pub(super) fn push(&mut self, message: OutboundMessage) -> bool {
        if self.bytes >= MAX_BYTES {
            self.lost.extend(message.document);
            return false;
        }
        self.bytes += message.bytes.len();
        self.messages.push_back(message);
        true
    }

    /// Removes and returns the next messages to publish, in order.
    pub(super) fn next_batch(&mut self) -> Vec<OutboundMessage> {
        let batch: Vec<_> = self.messages.drain(..self.messages.len().min(MAX_BATCH)).collect();
        self.bytes -= batch.iter().map(|message| message.bytes.len()).sum::<usize>();
        batch
    }

    /// Records that messages of these documents were lost.
    pub(super) fn mark_lost(&mut self, documents: impl IntoIterator<Item = DocumentId>) {
        self.lost.extend(documents);
    }

    /// Drops all queued messages, and records their documents as lost.
    pub(super) fn drop_all(&mut self) {
        self.bytes = 0;
        self.lost.extend(self.messages.drain(..).filter_map(|message| message.document));
    }

    /// Removes and returns the documents that the other nodes must reconcile.
    pub(super) fn take_lost(&mut self) -> HashSet<DocumentId> {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(document: DocumentId, bytes: usize) -> OutboundMessage {
        OutboundMessage {
            channel: document.to_string(),
            bytes: vec![0; bytes],
            document: Some(document),
            subscriber_count: None,
        }
    }

    #[test]
    fn messages_leave_in_order_and_in_batches() {
        let mut queue = OutboundQueue::default();
        let documents: Vec<_> = (0..300).map(|_| DocumentId::new()).collect();
        for document in &documents {
            assert!(queue.push(message(*document, 10)));
        }
        let mut sent = queue.next_batch();
        assert_eq!(sent.len(), MAX_BATCH);
        sent.extend(queue.next_batch());
        let sent: Vec<_> = sent.iter().filter_map(|message| message.document).collect();
        assert_eq!(sent, documents);
        assert!(queue.next_batch().is_empty() && queue.bytes == 0);
    }

    #[test]
    fn dropped_and_failed_messages_are_reported_as_lost_once() {
        let mut queue = OutboundQueue::default();
        let [large, late, failed] = [(); 3].map(|()| DocumentId::new());
        assert!(queue.push(message(large, MAX_BYTES)));
        assert!(!queue.push(message(late, 1)), "the queue is full");
        queue.mark_lost([failed, failed]);
        queue.drop_all();

        assert_eq!(queue.take_lost(), HashSet::from([large, late, failed]));
        assert!(queue.take_lost().is_empty());
        assert!(queue.push(message(late, 1)), "the queue has capacity again");
    }
}
