//! Which documents are wanted, and which are listened to. Pure.
//!
//! What is still to be done is kept as it comes, so that opening a document costs the same however many are open.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use tokio::sync::oneshot;

use crate::domain::DocumentId;

/// So many channels are subscribed to at once.
const MAX_CHANNELS: usize = 500;

/// What rooms want, and what is listened to.
#[derive(Debug, Default)]
pub(super) struct WantedChannels {
    /// What is wanted, each with those who wait until it is listened to.
    documents: HashMap<DocumentId, Vec<oneshot::Sender<()>>>,
    /// What is listened to.
    heard: HashSet<DocumentId>,
    /// What is wanted and not listened to.
    missing: IndexSet<DocumentId>,
    /// What is listened to and not wanted.
    superfluous: IndexSet<DocumentId>,
}

/// What to do next about the channels of documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubscriptionChange {
    /// Listen to these.
    Subscribe(Vec<DocumentId>),
    /// Listen to these no more.
    Unsubscribe(Vec<DocumentId>),
}

impl WantedChannels {
    /// The document is wanted; the answer comes when it is listened to, and is dropped when that cannot be.
    pub(super) fn add(&mut self, document: DocumentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = vec![sender];
        if self.heard.contains(&document) {
            self.superfluous.swap_remove(&document);
            answer(&mut waiting);
        } else {
            self.missing.insert(document);
        }
        self.documents.entry(document).or_default().append(&mut waiting);
        receiver
    }

    /// It is wanted no more.
    pub(super) fn remove(&mut self, document: DocumentId) {
        self.documents.remove(&document);
        self.missing.swap_remove(&document);
        if self.heard.contains(&document) {
            self.superfluous.insert(document);
        }
    }

    /// How many are wanted.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether a document is listened to.
    pub(super) fn hears(&self, document: DocumentId) -> bool {
        self.heard.contains(&document)
    }

    /// There is a new connection, which listens to nothing yet; or there is none any more, and nobody waits.
    pub(super) fn begin_anew(&mut self) {
        self.give_up();
        self.heard.clear();
        self.superfluous.clear();
        self.missing = self.documents.keys().copied().collect();
    }

    /// Nobody waits any more: there is nothing to listen with.
    pub(super) fn give_up(&mut self) {
        for document in &self.missing {
            if let Some(waiting) = self.documents.get_mut(document) {
                waiting.clear();
            }
        }
    }

    /// What is still to be done. Those that are wanted come first.
    pub(super) fn next_step(&self) -> Option<SubscriptionChange> {
        let some = |documents: &IndexSet<DocumentId>| {
            documents.iter().take(MAX_CHANNELS).copied().collect::<Vec<_>>()
        };
        if !self.missing.is_empty() {
            return Some(SubscriptionChange::Subscribe(some(&self.missing)));
        }
        (!self.superfluous.is_empty())
            .then(|| SubscriptionChange::Unsubscribe(some(&self.superfluous)))
    }

    /// These are listened to from now on. Those of them for which nobody waited any more, though they are wanted.
    pub(super) fn subscribed(&mut self, documents: Vec<DocumentId>) -> Vec<DocumentId> {
        let mut unawaited = Vec::new();
        for document in documents {
            self.heard.insert(document);
            self.missing.swap_remove(&document);
            match self.documents.get_mut(&document) {
                Some(waiting) => {
                    if !answer(waiting) {
                        unawaited.push(document);
                    }
                }
                None => drop(self.superfluous.insert(document)),
            }
        }
        unawaited
    }

    /// It is not listened to any more.
    pub(super) fn unsubscribed(&mut self, document: DocumentId) {
        self.heard.remove(&document);
        self.superfluous.swap_remove(&document);
        if self.documents.contains_key(&document) {
            self.missing.insert(document);
        }
    }
}

/// Whether somebody was there to be answered.
fn answer(waiting: &mut Vec<oneshot::Sender<()>>) -> bool {
    waiting.drain(..).filter_map(|waits| waits.send(()).ok()).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_listened_to_and_nothing_else() {
        let mut wanted = WantedChannels::default();
        let document = DocumentId::new();
        let mut waits = wanted.add(document);
        assert_eq!(wanted.next_step(), Some(SubscriptionChange::Subscribe(vec![document])));
        assert!(waits.try_recv().is_err(), "not yet");

        assert_eq!(wanted.subscribed(vec![document]), vec![]);
        assert_eq!(wanted.next_step(), None);
        assert!(waits.try_recv().is_ok() && wanted.hears(document));

        wanted.remove(document);
        assert_eq!(wanted.next_step(), Some(SubscriptionChange::Unsubscribe(vec![document])));
        let mut waits = wanted.add(document);
        assert!(waits.try_recv().is_ok(), "it is still listened to");
        assert_eq!(wanted.next_step(), None);

        // The server may end it: then it is missing again.
        wanted.unsubscribed(document);
        assert_eq!(wanted.next_step(), Some(SubscriptionChange::Subscribe(vec![document])));
        wanted.remove(document);
        assert_eq!(wanted.next_step(), None);
        assert_eq!(wanted.subscribed(vec![document]), vec![], "nobody wants it any more");
        assert_eq!(wanted.next_step(), Some(SubscriptionChange::Unsubscribe(vec![document])));
    }

    #[test]
    fn after_a_break_everything_is_subscribed_to_again_a_part_at_a_time() {
        let mut wanted = WantedChannels::default();
        for _ in 0..MAX_CHANNELS + 1 {
            drop(wanted.add(DocumentId::new()));
        }
        for _ in 0..2 {
            wanted.begin_anew();
            let mut parts = Vec::new();
            while let Some(SubscriptionChange::Subscribe(some)) = wanted.next_step() {
                parts.push(some.len());
                assert_eq!(wanted.subscribed(some.clone()), some, "nobody waited");
            }
            assert_eq!(parts, [MAX_CHANNELS, 1]);
        }
    }

    #[test]
    fn nobody_waits_for_a_relay_that_is_away() {
        let mut wanted = WantedChannels::default();
        let mut waits = wanted.add(DocumentId::new());
        wanted.give_up();
        assert_eq!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(wanted.len(), 1, "it is wanted all the same");
    }
}
