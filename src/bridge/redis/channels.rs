//! The channels of documents: which are wanted, and which are subscribed to. Pure.
//!
//! Rooms add and remove documents; the subscriber asks for the next [`SubscriptionChange`] and reports
//! its result. Differences are kept as they arise, so opening a document costs the same however many
//! are open.
//!
//! Invariant: `to_subscribe` is wanted minus subscribed, and `to_unsubscribe` is subscribed minus
//! wanted.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use tokio::sync::oneshot;

use crate::domain::DocumentId;

/// The most channels in one [`SubscriptionChange`].
const MAX_CHANNELS: usize = 500;

/// The channels that rooms want, and those that the connection is subscribed to.
#[derive(Debug, Default)]
pub(super) struct ChannelSubscriptions {
    /// The wanted documents, each with the callers that wait until it is subscribed.
    wanted: HashMap<DocumentId, Vec<oneshot::Sender<()>>>,
    subscribed: HashSet<DocumentId>,
    to_subscribe: IndexSet<DocumentId>,
    to_unsubscribe: IndexSet<DocumentId>,
}

/// The next command to send on the subscriber connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubscriptionChange {
    Subscribe(Vec<DocumentId>),
    Unsubscribe(Vec<DocumentId>),
}

impl ChannelSubscriptions {
    /// Adds a wanted document. The receiver resolves when the document is subscribed. It fails if the
    /// connection is down.
    pub(super) fn add(&mut self, document: DocumentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = vec![sender];
        if self.subscribed.contains(&document) {
            self.to_unsubscribe.swap_remove(&document);
            notify(&mut waiters);
        } else {
            self.to_subscribe.insert(document);
        }
        self.wanted.entry(document).or_default().append(&mut waiters);
        receiver
    }

    /// Removes a wanted document.
    pub(super) fn remove(&mut self, document: DocumentId) {
        self.wanted.remove(&document);
        self.to_subscribe.swap_remove(&document);
        if self.subscribed.contains(&document) {
            self.to_unsubscribe.insert(document);
        }
    }

    /// Returns the number of wanted documents.
    pub(super) fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// Forgets all subscriptions after the connection was opened or lost, and fails all waiters.
    pub(super) fn reset(&mut self) {
        self.fail_waiters();
        self.subscribed.clear();
        self.to_unsubscribe.clear();
        self.to_subscribe = self.wanted.keys().copied().collect();
    }

    /// Fails all waiters, because there is no connection to subscribe on.
    pub(super) fn fail_waiters(&mut self) {
        for document in &self.to_subscribe {
            if let Some(waiters) = self.wanted.get_mut(document) {
                waiters.clear();
            }
        }
    }

    /// Returns the next change to make. Subscriptions come first, because rooms wait for them.
    pub(super) fn next_change(&self) -> Option<SubscriptionChange> {
        let first = |documents: &IndexSet<DocumentId>| {
            documents.iter().take(MAX_CHANNELS).copied().collect::<Vec<_>>()
        };
        if !self.to_subscribe.is_empty() {
            return Some(SubscriptionChange::Subscribe(first(&self.to_subscribe)));
        }
        (!self.to_unsubscribe.is_empty())
            .then(|| SubscriptionChange::Unsubscribe(first(&self.to_unsubscribe)))
    }

    /// Records new subscriptions and notifies their waiters. Returns the wanted documents that no
    /// caller was waiting for any more.
    pub(super) fn mark_subscribed(&mut self, documents: Vec<DocumentId>) -> Vec<DocumentId> {
        let mut unawaited = Vec::new();
        for document in documents {
            self.subscribed.insert(document);
            self.to_subscribe.swap_remove(&document);
            match self.wanted.get_mut(&document) {
                Some(waiters) => {
                    if !notify(waiters) {
                        unawaited.push(document);
                    }
                }
                None => drop(self.to_unsubscribe.insert(document)),
            }
        }
        unawaited
    }

    /// Records the end of a subscription, requested by this node or by the server.
    pub(super) fn mark_unsubscribed(&mut self, document: DocumentId) {
        self.subscribed.remove(&document);
        self.to_unsubscribe.swap_remove(&document);
        if self.wanted.contains_key(&document) {
            self.to_subscribe.insert(document);
        }
    }
}

/// Notifies all waiters. Returns whether at least one was still waiting.
fn notify(waiters: &mut Vec<oneshot::Sender<()>>) -> bool {
    waiters.drain(..).filter_map(|waiter| waiter.send(()).ok()).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_documents_are_subscribed() {
        let mut channels = ChannelSubscriptions::default();
        let document = DocumentId::new();
        let mut subscribed = channels.add(document);
        assert_eq!(channels.next_change(), Some(SubscriptionChange::Subscribe(vec![document])));
        assert!(subscribed.try_recv().is_err(), "not subscribed yet");

        assert_eq!(channels.mark_subscribed(vec![document]), vec![]);
        assert_eq!(channels.next_change(), None);
        assert!(subscribed.try_recv().is_ok());

        channels.remove(document);
        assert_eq!(channels.next_change(), Some(SubscriptionChange::Unsubscribe(vec![document])));
        let mut subscribed = channels.add(document);
        assert!(subscribed.try_recv().is_ok(), "the subscription still exists");
        assert_eq!(channels.next_change(), None);

        // The server may end a subscription that is still wanted.
        channels.mark_unsubscribed(document);
        assert_eq!(channels.next_change(), Some(SubscriptionChange::Subscribe(vec![document])));
        channels.remove(document);
        assert_eq!(channels.next_change(), None);
        assert_eq!(channels.mark_subscribed(vec![document]), vec![], "no longer wanted");
        assert_eq!(channels.next_change(), Some(SubscriptionChange::Unsubscribe(vec![document])));
    }

    #[test]
    fn a_new_connection_subscribes_all_wanted_documents_in_parts() {
        let mut channels = ChannelSubscriptions::default();
        for _ in 0..MAX_CHANNELS + 1 {
            drop(channels.add(DocumentId::new()));
        }
        for _ in 0..2 {
            channels.reset();
            let mut parts = Vec::new();
            while let Some(SubscriptionChange::Subscribe(part)) = channels.next_change() {
                parts.push(part.len());
                assert_eq!(channels.mark_subscribed(part.clone()), part, "no caller waited");
            }
            assert_eq!(parts, [MAX_CHANNELS, 1]);
        }
    }

    #[test]
    fn waiters_fail_without_a_connection() {
        let mut channels = ChannelSubscriptions::default();
        let mut subscribed = channels.add(DocumentId::new());
        channels.fail_waiters();
        assert_eq!(subscribed.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(channels.wanted_count(), 1, "the document stays wanted");
    }
}
