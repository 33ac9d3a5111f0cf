//! Which documents are wanted, and which are listened to. Pure.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use crate::domain::DocumentId;

/// So many channels are subscribed to at once.
const AT_ONCE: usize = 500;

/// What rooms want; each with those who wait until it is listened to.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    documents: HashMap<DocumentId, Vec<oneshot::Sender<()>>>,
}

/// What to do next about the channels of documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Listen to these.
    Subscribe(Vec<DocumentId>),
    /// Listen to these no more.
    Unsubscribe(Vec<DocumentId>),
}

impl Wanted {
    /// The document is wanted; the answer comes when it is listened to, and is dropped when that cannot be.
    pub(super) fn add(&mut self, document: DocumentId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.documents.entry(document).or_default().push(sender);
        receiver
    }

    /// It is wanted no more.
    pub(super) fn remove(&mut self, document: DocumentId) {
        self.documents.remove(&document);
    }

    /// How many are wanted.
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether somebody still waits until a document is listened to.
    pub(super) fn is_awaited(&self, document: DocumentId) -> bool {
        let waiting = self.documents.get(&document);
        waiting.is_some_and(|waiting| waiting.iter().any(|waits| !waits.is_closed()))
    }

    /// Nobody waits any more: there is nothing to listen with.
    pub(super) fn give_up(&mut self) {
        for waiting in self.documents.values_mut() {
            waiting.clear();
        }
    }

    /// What is still to be done while these are listened to.
    pub(super) fn next_step(&mut self, heard: &HashSet<DocumentId>) -> Option<Step> {
        for (document, waiting) in &mut self.documents {
            if heard.contains(document) {
                answer(waiting);
            }
        }
        let missing = self.documents.keys().filter(|document| !heard.contains(document));
        let missing: Vec<_> = missing.take(AT_ONCE).copied().collect();
        if !missing.is_empty() {
            return Some(Step::Subscribe(missing));
        }
        let superfluous = heard.iter().filter(|document| !self.documents.contains_key(document));
        let superfluous: Vec<_> = superfluous.take(AT_ONCE).copied().collect();
        (!superfluous.is_empty()).then_some(Step::Unsubscribe(superfluous))
    }
}

fn answer(waiting: &mut Vec<oneshot::Sender<()>>) {
    for waits in waiting.drain(..) {
        if waits.send(()).is_err() {
            tracing::debug!("a room closed before its document was listened to");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_listened_to_and_nothing_else() {
        let (mut wanted, mut heard) = (Wanted::default(), HashSet::new());
        let document = DocumentId::new();
        let mut waits = wanted.add(document);
        assert_eq!(wanted.next_step(&heard), Some(Step::Subscribe(vec![document])));
        assert!(waits.try_recv().is_err(), "not yet");

        heard.insert(document);
        assert_eq!(wanted.next_step(&heard), None);
        assert!(waits.try_recv().is_ok());

        wanted.remove(document);
        assert_eq!(wanted.next_step(&heard), Some(Step::Unsubscribe(vec![document])));
    }

    #[test]
    fn after_a_break_everything_is_subscribed_to_again_a_part_at_a_time() {
        let mut wanted = Wanted::default();
        for _ in 0..AT_ONCE + 1 {
            drop(wanted.add(DocumentId::new()));
        }
        let mut heard = HashSet::new();
        let mut steps = 0;
        while let Some(Step::Subscribe(some)) = wanted.next_step(&heard) {
            heard.extend(some);
            steps += 1;
        }
        assert_eq!((steps, heard.len()), (2, AT_ONCE + 1));
    }

    #[test]
    fn nobody_waits_for_a_relay_that_is_away() {
        let mut wanted = Wanted::default();
        let mut waits = wanted.add(DocumentId::new());
        wanted.give_up();
        assert_eq!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(wanted.len(), 1, "it is wanted all the same");
    }
}
