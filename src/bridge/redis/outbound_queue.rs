//! What waits to be published: bounded, in order.

use std::collections::{HashSet, VecDeque};

use tokio::sync::oneshot;

use crate::domain::DocumentId;

/// What waits may have so many bytes; past it the nodes are told to compare instead.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// At most so many are published together.
const MAX_BATCH: usize = 256;

/// One thing to publish on one channel.
#[derive(Debug)]
pub(super) struct OutboundMessage {
    pub(super) channel: String,
    pub(super) bytes: Vec<u8>,
    /// What it is about, if it is about a document.
    pub(super) document: Option<DocumentId>,
    /// Where to say how many others heard it.
    pub(super) heard_by: Option<oneshot::Sender<u64>>,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<OutboundMessage>,
    bytes: usize,
    /// Documents of which something was not published.
    missed: HashSet<DocumentId>,
}

impl Outgoing {
    /// Queues a message. False when there was no room: then its document is one that was missed.
    pub(super) fn push(&mut self, message: OutboundMessage) -> bool {
        if self.bytes >= MAX_BYTES {
            self.missed.extend(message.document);
            return false;
        }
        self.bytes += message.bytes.len();
        self.waiting.push_back(message);
        true
    }

    /// What to publish next, in order.
    pub(super) fn next(&mut self) -> Vec<OutboundMessage> {
        let batch: Vec<_> = self.waiting.drain(..self.waiting.len().min(MAX_BATCH)).collect();
        self.bytes -= batch.iter().map(|message| message.bytes.len()).sum::<usize>();
        batch
    }

    /// Of these documents something was not published, or nobody knows; nor what waits.
    pub(super) fn failed(&mut self, documents: impl IntoIterator<Item = DocumentId>) {
        self.missed.extend(documents);
        self.bytes = 0;
        self.missed.extend(self.waiting.drain(..).filter_map(|message| message.document));
    }

    /// Of these documents something could not even be queued.
    pub(super) fn missed(&mut self, documents: impl IntoIterator<Item = DocumentId>) {
        self.missed.extend(documents);
    }

    /// The documents of which others have to be told that they missed something.
    pub(super) fn take_missed(&mut self) -> HashSet<DocumentId> {
        std::mem::take(&mut self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(document: DocumentId, bytes: usize) -> OutboundMessage {
        let channel = document.to_string();
        OutboundMessage { channel, bytes: vec![0; bytes], document: Some(document), heard_by: None }
    }

    #[test]
    fn what_waits_goes_out_in_order_and_in_batches() {
        let mut outgoing = Outgoing::default();
        let documents: Vec<_> = (0..300).map(|_| DocumentId::new()).collect();
        for document in &documents {
            assert!(outgoing.push(message(*document, 10)));
        }
        let mut sent = outgoing.next();
        assert_eq!(sent.len(), MAX_BATCH);
        sent.extend(outgoing.next());
        let sent: Vec<_> = sent.iter().filter_map(|message| message.document).collect();
        assert_eq!(sent, documents);
        assert!(outgoing.next().is_empty() && outgoing.bytes == 0);
    }

    #[test]
    fn what_finds_no_room_or_fails_is_remembered_as_missed_once() {
        let mut outgoing = Outgoing::default();
        let [large, late, failed] = [(); 3].map(|()| DocumentId::new());
        assert!(outgoing.push(message(large, MAX_BYTES)));
        assert!(!outgoing.push(message(late, 1)));
        outgoing.failed([failed, failed]);

        let missed = outgoing.take_missed();
        assert_eq!(missed, HashSet::from([large, late, failed]));
        assert!(outgoing.take_missed().is_empty());
        assert!(outgoing.push(message(late, 1)), "there is room again");
    }
}
