//! Which documents no other node listens to. Pure.
//!
//! Redis returns how many nodes have received a message. While that is this node alone, no node needs the
//! cursors, and in most deployments the users of a document are on one node. So cursors and awareness, which may be lost
//! anyway, are not published to a document that no other node listens to.
//!
//! A node that opens the document publishes the arrival of its first session, or asks for cursors and awareness: this node then
//! publishes again. A node that subscribes again after it has lost its connection asks for them as well, and publishes its own. If that message is
//! lost, this node publishes again after [`ALONE_FOR`] at the latest. As soon as it learns that another node listens, the room
//! publishes the last move of each session that was left out.
//!
//! Invariant: the node assumes that it is alone only if the number was measured after the node subscribed to it and after the last
//! message of another node.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::DocumentId;

/// How long the node relies on a number of receivers.
const ALONE_FOR: Duration = Duration::from_secs(5);

/// What is known of the other nodes, for each document that this node is subscribed to.
#[derive(Debug, Default)]
pub(super) struct RemoteListeners {
    subscribed: HashMap<DocumentId, Listening>,
    /// The attached documents of which moves were left out since another node was last known to listen.
    left_out: HashSet<DocumentId>,
}

#[derive(Debug)]
struct Listening {
    /// When this node subscribed.
    subscribed_at: Instant,
    /// When another node last published something.
    heard_at: Option<Instant>,
    /// The time until which the node assumes that no other node listens.
    alone_until: Option<Instant>,
}

impl RemoteListeners {
    /// Notes that this node has subscribed to a document.
    pub(super) fn subscribed(&mut self, document: DocumentId, now: Instant) {
        let listening = Listening { subscribed_at: now, heard_at: None, alone_until: None };
        self.subscribed.insert(document, listening);
    }

    /// Notes that this node is no longer subscribed to a document.
    pub(super) fn unsubscribed(&mut self, document: DocumentId) {
        self.subscribed.remove(&document);
    }

    /// Notes that this node has lost all subscriptions.
    pub(super) fn reset(&mut self) {
        self.subscribed.clear();
    }

    /// Forgets which moves were left out of a document that this node no longer has open. The subscription ends later, or not at all if the
    /// document is opened again before.
    pub(super) fn detached(&mut self, document: DocumentId) {
        self.left_out.remove(&document);
    }

    /// Notes a message of another node. Returns whether it may lack moves, which must be published now.
    pub(super) fn heard(&mut self, document: DocumentId, now: Instant) -> bool {
        if let Some(listening) = self.subscribed.get_mut(&document) {
            listening.heard_at = Some(now);
            listening.alone_until = None;
        }
        self.left_out.remove(&document)
    }

    /// Notes how many nodes have received a message that was sent at `sent_at`. Returns whether another one may lack moves, which
    /// must be published now.
    pub(super) fn counted(
        &mut self,
        document: DocumentId,
        receivers: u64,
        sent_at: Instant,
    ) -> bool {
        let Some(listening) = self.subscribed.get_mut(&document) else { return false };
        let is_alone = receivers <= 1
            && listening.subscribed_at < sent_at
            && listening.heard_at.is_none_or(|heard_at| heard_at < sent_at);
        listening.alone_until = is_alone.then_some(sent_at + ALONE_FOR);
        receivers > 1 && self.left_out.remove(&document)
    }

    /// Returns whether a move is to be left out, because no other node listens to the document.
    pub(super) fn leaves_out(&mut self, document: DocumentId, now: Instant) -> bool {
        let alone_until =
            self.subscribed.get(&document).and_then(|listening| listening.alone_until);
        let leaves_out = alone_until.is_some_and(|until| now < until);
        if leaves_out {
            self.left_out.insert(document);
        }
        leaves_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    /// A document that this node subscribed to, and the time a step later.
    fn subscribed() -> (RemoteListeners, DocumentId, Instant) {
        let (mut listeners, document, now) =
            (RemoteListeners::default(), DocumentId::new(), Instant::now());
        listeners.subscribed(document, now);
        (listeners, document, now + STEP)
    }

    #[test]
    fn a_document_that_only_this_node_received_is_unheard_for_a_while() {
        let (mut listeners, document, sent_at) = subscribed();
        assert!(!listeners.leaves_out(document, sent_at), "nothing was counted");
        listeners.counted(document, 1, sent_at);
        assert!(listeners.leaves_out(document, sent_at + STEP));
        assert!(!listeners.leaves_out(document, sent_at + ALONE_FOR));
        assert!(listeners.counted(document, 2, sent_at + ALONE_FOR), "moves were left out");
        assert!(!listeners.counted(document, 2, sent_at + ALONE_FOR));
        assert!(!listeners.leaves_out(document, sent_at + ALONE_FOR));
    }

    #[test]
    fn a_message_of_another_node_ends_it_also_if_the_number_is_older() {
        let (mut listeners, document, sent_at) = subscribed();
        listeners.counted(document, 1, sent_at);
        listeners.heard(document, sent_at + STEP);
        assert!(!listeners.leaves_out(document, sent_at + STEP));

        // The message arrived while the number was on its way.
        listeners.counted(document, 1, sent_at);
        assert!(!listeners.leaves_out(document, sent_at + STEP));
        listeners.counted(document, 1, sent_at + STEP);
        assert!(!listeners.leaves_out(document, sent_at + STEP));
        listeners.counted(document, 1, sent_at + 2 * STEP);
        assert!(listeners.leaves_out(document, sent_at + 2 * STEP));
    }

    #[test]
    fn a_number_from_before_the_subscription_may_be_another_node() {
        let (mut listeners, document, now) = subscribed();
        listeners.counted(document, 1, now - STEP);
        assert!(!listeners.leaves_out(document, now));
        let unknown = DocumentId::new();
        listeners.counted(unknown, 1, now);
        assert!(!listeners.leaves_out(unknown, now));
    }

    #[test]
    fn left_out_moves_are_wanted_once_also_after_a_lost_subscription() {
        let (mut listeners, document, now) = subscribed();
        listeners.counted(document, 1, now);
        assert!(!listeners.heard(document, now), "nothing was left out");
        listeners.counted(document, 1, now + STEP);
        assert!(listeners.leaves_out(document, now + STEP));
        listeners.reset();
        assert!(listeners.heard(document, now + STEP));
        assert!(!listeners.heard(document, now + STEP));

        listeners.subscribed(document, now);
        listeners.counted(document, 1, now + STEP);
        assert!(listeners.leaves_out(document, now + STEP));
        listeners.detached(document);
        assert!(!listeners.heard(document, now + STEP));
    }

    #[test]
    fn nothing_is_known_of_lost_subscriptions() {
        let (mut listeners, document, now) = subscribed();
        listeners.counted(document, 1, now);
        listeners.unsubscribed(document);
        assert!(!listeners.leaves_out(document, now));
        listeners.subscribed(document, now);
        listeners.counted(document, 1, now + STEP);
        listeners.reset();
        assert!(!listeners.leaves_out(document, now + STEP));
    }
}
