use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, pending},
};
use tokio::time::Instant;

use super::*;
use crate::{
    memory::Reservation,
    room::{EditorHandle, SeatEnded, Subscriber},
    session::{ConversationStep, SessionLink, StepOutcome},
    wire::{
        CloseReason,
        hocuspocus::{self, PageMessage},
    },
};

/// A conversation of which updates wait, as if its room did not store them.
struct HeldUp(WaitingUpdates);

impl EditorConversation for HeldUp {
    fn admit(&mut self, _link: Arc<SessionLink>) {}

    fn enter(
        &self,
        _subscriber: Subscriber,
        _on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>> {
        pending().boxed()
    }

    fn begin(&mut self, _seat: EditorHandle) {}

    fn receive(&mut self, bytes: &Bytes, _held: Option<Reservation>) -> Result<(), CloseReason> {
        self.0.updates += 1;
        self.0.bytes += bytes.len();
        Ok(())
    }

    fn next_step(&mut self, _now: Instant) -> ConversationStep {
        ConversationStep::Idle
    }

    fn finish_step(&mut self, _outcome: &StepOutcome, _now: Instant) {}

    fn is_full(&self) -> bool {
        true
    }

    fn waiting(&self) -> WaitingUpdates {
        self.0
    }

    fn has_unsaved_updates(&self) -> bool {
        self.0.updates > 0
    }

    fn commit_rest(&mut self) -> Option<BoxFuture<'static, ()>> {
        None
    }
}

fn rest() -> RestCommit {
    pending().boxed().shared()
}

const MAX_WAITING: WaitingUpdates = WaitingUpdates { updates: 10, bytes: 100 };

fn name(of: &str) -> SocketName {
    let length = u8::try_from(of.len()).unwrap();
    let message = Bytes::from([&[length][..], of.as_bytes(), b"\x07"].concat());
    match hocuspocus::parse(&message) {
        Ok(PageMessage::Document(name, _close)) => name,
        other => panic!("{other:?}"),
    }
}

fn documents(waiting: &[(&str, usize, usize)]) -> SocketDocuments {
    let mut documents = SocketDocuments::default();
    for (of, updates, bytes) in waiting {
        let held_up = HeldUp(WaitingUpdates { updates: *updates, bytes: *bytes });
        documents.add(name(of), DocumentId::new(), Box::new(held_up));
    }
    documents
}

#[test]
fn a_document_that_waits_does_not_stop_the_others_until_its_messages_fill_the_socket() {
    assert!(!documents(&[("one", 10, 50), ("two", 0, 0)]).are_full(MAX_WAITING));
    assert!(!documents(&[("one", 10, 50), ("two", 10, 50)]).are_full(MAX_WAITING));
    assert!(documents(&[("one", 11, 50), ("two", 0, 0)]).are_full(MAX_WAITING));
    assert!(documents(&[("one", 1, 51), ("two", 1, 50)]).are_full(MAX_WAITING));
}

#[test]
fn what_waits_for_a_seat_counts() {
    let mut documents = documents(&[("one", 9, 90)]);
    let one = documents.get_mut(&name("one")).unwrap();
    one.early.push("x".repeat(10));
    assert!(!documents.are_full(MAX_WAITING));
    documents.get_mut(&name("one")).unwrap().early.push(String::new());
    assert!(documents.are_full(MAX_WAITING));
}

#[test]
fn documents_that_are_closing_count_until_their_updates_are_stored() {
    let mut documents = documents(&[("one", 1, 60), ("two", 1, 40)]);
    let closed = documents.remove(&name("one")).unwrap();
    documents.note_closing(&closed, 61, Some(rest()));
    assert!(documents.are_full(MAX_WAITING));
    documents.end_step(closed.key);
    assert!(documents.are_full(MAX_WAITING));
    documents.end_rest(closed.key);
    assert!(!documents.are_full(MAX_WAITING));

    let mut keys = Vec::new();
    for number in 0..MAX_CLOSING {
        assert!(!documents.are_full(MAX_WAITING), "{number} are closing");
        let idle = HeldUp(WaitingUpdates { updates: 0, bytes: 0 });
        documents.add(name("three"), DocumentId::new(), Box::new(idle));
        let closed = documents.remove(&name("three")).unwrap();
        documents.note_closing(&closed, 0, Some(rest()));
        keys.push(closed.key);
    }
    assert!(documents.are_full(MAX_WAITING));
    documents.end_rest(keys[0]);
    assert!(!documents.are_full(MAX_WAITING));
}

#[test]
fn another_document_is_first_each_time() {
    let mut documents = documents(&[("one", 0, 0), ("two", 0, 0), ("three", 0, 0)]);
    let mut first = || documents.names_in_turn().swap_remove(0);
    let turns = [first(), first(), first(), first(), first(), first()];
    assert_eq!(turns[..3], turns[3..]);
    assert!(turns[0] != turns[1] && turns[1] != turns[2] && turns[0] != turns[2]);
    assert!(SocketDocuments::default().names_in_turn().is_empty());
}
