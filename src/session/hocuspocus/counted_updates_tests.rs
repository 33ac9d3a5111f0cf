use proptest::prelude::*;
use yrs::{
    Doc, GetString as _, ReadTxn as _, StateVector, Text as _, Transact as _, Update,
    merge_updates_v1,
    updates::{decoder::Decode as _, encoder::Encode as _},
};

use super::*;

/// The count of a provider, as `HocuspocusProvider.ts` keeps it, and the acknowledgements of the server.
struct Model {
    doc: Doc,
    count: u64,
    updates: CountedUpdates,
    /// The document as it is stored.
    stored: Doc,
    /// Updates that have arrived at the server and are not stored.
    unstored: Vec<Bytes>,
    /// How many updates have arrived in this connection.
    arrived: u64,
    /// Updates on their way to the server.
    sent: VecDeque<Sent>,
    /// What the provider has queued while it was not connected.
    queued: Vec<Bytes>,
    /// With its option `flushDelay`: what it has counted once and not sent yet.
    batch: Vec<Bytes>,
    batches: bool,
    is_connected: bool,
    is_flushing: bool,
    now: Instant,
}

enum Sent {
    Step1(ClientClocks),
    Step2(Bytes),
    Update(Bytes),
    Pong,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Insert,
    Delete,
    /// The connection breaks; what is on its way is lost.
    Break,
    Connect,
    /// The provider receives the ping, and sends what it has queued.
    Flush,
    /// The provider asks again (`forceSync`).
    ForceSync,
    /// The time of `flushDelay` has passed.
    SendBatch,
    /// The server receives a message.
    Arrive,
    /// The server stores everything that has arrived.
    Store,
}

impl Model {
    fn new() -> Self {
        Self {
            doc: Doc::with_client_id(1_u64),
            count: 0,
            updates: CountedUpdates::default(),
            stored: Doc::with_client_id(2_u64),
            unstored: Vec::new(),
            arrived: 0,
            sent: VecDeque::new(),
            queued: Vec::new(),
            batch: Vec::new(),
            batches: false,
            is_connected: false,
            is_flushing: false,
            now: Instant::now(),
        }
    }

    fn edit(&mut self, deletes: bool) {
        let text = self.doc.get_or_insert_text("content");
        let update = {
            let mut txn = self.doc.transact_mut();
            match deletes && text.len(&txn) > 0 {
                true => text.remove_range(&mut txn, 0, 1),
                false => text.insert(&mut txn, 0, "ab"),
            }
            Bytes::from(txn.encode_update_v1())
        };
        if self.batches {
            self.count += u64::from(self.batch.is_empty());
            return self.batch.push(update);
        }
        self.count += 1;
        self.send(update);
    }

    fn send(&mut self, update: Bytes) {
        match self.is_connected {
            true => self.sent.push_back(Sent::Update(update)),
            false => self.queued.push(update),
        }
    }

    fn send_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            self.send(merge_updates_v1(&batch).unwrap().into());
        }
    }

    fn step_1(&mut self) {
        let clocks = Bytes::from(self.doc.transact().state_vector().encode_v1());
        self.count = 1;
        self.sent.push_back(Sent::Step1(ClientClocks::read(clocks).unwrap()));
    }

    fn arrive(&mut self) {
        match self.sent.pop_front() {
            None => {}
            Some(Sent::Step1(clocks)) => {
                self.updates.step_1(&clocks);
                // The server asks, and the provider answers.
                let state = self.doc.transact().encode_state_as_update_v1(&StateVector::default());
                self.sent.push_back(Sent::Step2(state.into()));
            }
            Some(Sent::Step2(state)) => {
                self.updates.step_2(self.now);
                self.take(state);
            }
            Some(Sent::Update(update)) => {
                self.updates.update(&update, self.is_flushing, self.now);
                self.take(update);
            }
            Some(Sent::Pong) => {
                self.is_flushing = false;
                self.updates.end_flush();
            }
        }
    }

    fn take(&mut self, update: Bytes) {
        self.arrived += 1;
        self.unstored.push(update);
    }

    fn store(&mut self) {
        for update in self.unstored.drain(..) {
            let update = Update::decode_v1(&update).unwrap();
            self.stored.transact_mut().apply_update(update).unwrap();
        }
        let acknowledged = self.updates.note_stored(self.arrived);
        self.count = self.count.saturating_sub(acknowledged);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Insert => self.edit(false),
            Action::Delete => self.edit(true),
            Action::Break => {
                *self = Self {
                    doc: self.doc.clone(),
                    count: self.count,
                    stored: self.stored.clone(),
                    queued: std::mem::take(&mut self.queued),
                    batches: self.batches,
                    now: self.now,
                    ..Self::new()
                };
            }
            Action::Connect if !self.is_connected => {
                (self.is_connected, self.is_flushing) = (true, true);
                self.step_1();
            }
            Action::Flush if self.is_connected && self.is_flushing => {
                let queued = std::mem::take(&mut self.queued);
                self.sent.extend(queued.into_iter().map(Sent::Update));
                self.sent.push_back(Sent::Pong);
            }
            Action::ForceSync if self.is_connected && !self.is_flushing => self.step_1(),
            Action::SendBatch => self.send_batch(),
            Action::Arrive => self.arrive(),
            Action::Store => self.store(),
            Action::Connect | Action::Flush | Action::ForceSync => {}
        }
    }

    /// Lets everything arrive and be stored, and time pass.
    fn settle(&mut self) {
        self.act(Action::Connect);
        self.act(Action::Flush);
        self.send_batch();
        while !self.sent.is_empty() {
            self.arrive();
        }
        self.store();
        self.now += QUIET_FOR;
        let withheld = self.updates.take_withheld(self.now);
        self.count = self.count.saturating_sub(withheld);
    }

    fn is_all_stored(&self) -> bool {
        let content = |doc: &Doc| {
            let text = doc.get_or_insert_text("content");
            let txn = doc.transact();
            (txn.state_vector(), text.get_string(&txn))
        };
        content(&self.doc) == content(&self.stored)
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Insert),
        2 => Just(Action::Delete),
        1 => Just(Action::Break),
        2 => Just(Action::Connect),
        2 => Just(Action::Flush),
        4 => Just(Action::Arrive),
        3 => Just(Action::Store),
    ]
}

fn batch_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Insert),
        3 => Just(Action::SendBatch),
        1 => Just(Action::Break),
        2 => Just(Action::Connect),
        2 => Just(Action::Flush),
        4 => Just(Action::Arrive),
        3 => Just(Action::Store),
    ]
}

proptest! {
    #[test]
    fn a_provider_shows_a_document_as_saved_exactly_if_it_is_stored(
        actions in prop::collection::vec(action(), 0..60),
    ) {
        let mut model = Model::new();
        model.act(Action::Connect);
        for action in actions {
            model.act(action);
            if model.is_connected && model.count == 0 {
                prop_assert!(model.is_all_stored(), "after {action:?}");
            }
        }
        model.settle();
        prop_assert_eq!(model.count, 0);
        prop_assert!(model.is_all_stored());
    }

    /// What is added to a batch that began before sync step 1 is not counted by the provider itself. So it shows less than there is until
    /// that batch is stored.
    #[test]
    fn a_provider_that_sends_batches_shows_a_document_as_saved_exactly_if_it_is_stored(
        actions in prop::collection::vec(batch_action(), 0..60),
    ) {
        let mut model = Model { batches: true, ..Model::new() };
        model.act(Action::Connect);
        let mut is_uncounted = false;
        for action in actions {
            let (had_batch, was_connected) = (!model.batch.is_empty(), model.is_connected);
            model.act(action);
            is_uncounted |= had_batch && model.is_connected && !was_connected;
            is_uncounted &= !model.batch.is_empty() || !model.is_all_stored();
            if model.is_connected && model.count == 0 && !is_uncounted {
                prop_assert!(model.is_all_stored(), "after {action:?}");
            }
        }
        model.settle();
        prop_assert_eq!(model.count, 0);
        prop_assert!(model.is_all_stored());
    }

    #[test]
    fn a_provider_that_asks_again_is_told_in_the_end(
        actions in prop::collection::vec(prop_oneof![action(), Just(Action::ForceSync)], 0..60),
    ) {
        let mut model = Model::new();
        for action in actions {
            model.act(action);
        }
        model.settle();
        prop_assert_eq!(model.count, 0);
    }
}

#[test]
fn a_batch_from_before_sync_step_1_is_not_acknowledged() {
    let mut model = Model { batches: true, ..Model::new() };
    for action in [
        Action::Insert,
        Action::Connect,
        Action::Flush,
        Action::Arrive,
        Action::Arrive,
        Action::Arrive,
        Action::SendBatch,
        Action::Insert,
        Action::SendBatch,
        Action::Arrive,
        Action::Store,
    ] {
        model.act(action);
    }
    // The first batch has arrived, and the second one is on its way.
    assert_eq!((model.sent.len(), model.count), (1, 1));
    model.act(Action::Arrive);
    model.act(Action::Store);
    assert_eq!(model.count, 0);
    assert!(model.is_all_stored());
}

#[test]
fn runs_are_bounded() {
    let now = Instant::now();
    let doc = Doc::with_client_id(1_u64);
    let text = doc.get_or_insert_text("content");
    let mut txn = doc.transact_mut();
    text.insert(&mut txn, 0, "a");
    let insertion = Bytes::from(txn.encode_update_v1());
    drop(txn);
    let state = doc.transact().encode_state_as_update_v1(&StateVector::default());
    assert_eq!(insertion, state);

    let mut updates = CountedUpdates::default();
    for number in 0..10 * MAX_RUNS {
        if number % 2 == 0 {
            updates.update(&insertion, true, now);
        } else {
            updates.step_2(now);
        }
    }
    assert_eq!(updates.unstored.len(), MAX_RUNS);
    let updates = updates.unstored.iter().map(|(_counted, run)| run).sum::<u64>();
    assert_eq!(updates, 10 * MAX_RUNS as u64);
}

#[test]
fn a_provider_whose_updates_are_not_stored_begins_again() {
    let mut updates = CountedUpdates::default();
    for _ in 0..MAX_WAITING {
        updates.update(&Bytes::new(), false, Instant::now());
    }
    assert!(!updates.are_too_many());
    updates.step_2(Instant::now());
    assert!(updates.are_too_many());
    assert_eq!(updates.note_stored(MAX_WAITING), MAX_WAITING);
    assert!(!updates.are_too_many());
}

#[test]
fn nothing_is_acknowledged_while_a_later_update_is_not_stored() {
    let (mut updates, now) = (CountedUpdates::default(), Instant::now());
    let update = Bytes::from_static(&[0, 0]);
    updates.update(&update, false, now);
    updates.update(&update, false, now);
    assert_eq!(updates.note_stored(1), 0);
    assert_eq!(updates.note_stored(2), 2);

    // The provider asks again while its last update is not stored. Only the answer is counted then.
    updates.update(&update, false, now);
    updates.update(&update, false, now);
    assert_eq!(updates.note_stored(3), 0);
    updates.step_1(&ClientClocks::default());
    assert_eq!(updates.note_stored(4), 0);
    updates.step_2(now);
    assert_eq!(updates.note_stored(5), 1);
}

#[test]
fn acknowledgements_that_are_held_back_are_bounded() {
    let (mut updates, now) = (CountedUpdates::default(), Instant::now());
    for _ in 0..=MAX_HELD {
        updates.update(&Bytes::from_static(&[0, 0]), false, now);
    }
    assert_eq!(updates.note_stored(MAX_HELD - 1), 0);
    assert_eq!(updates.note_stored(MAX_HELD), MAX_HELD);
    assert_eq!(updates.note_stored(MAX_HELD + 1), 1);
}

#[test]
fn acknowledgements_that_wait_for_a_pause_are_bounded() {
    let (mut updates, now) = (CountedUpdates::default(), Instant::now());
    for number in 1..=MAX_WAITING + 1 {
        assert!(!updates.are_too_many());
        updates.update(&Bytes::from_static(&[0, 0]), true, now);
        assert_eq!(updates.note_stored(number), 0);
    }
    assert!(updates.are_too_many());
}

#[test]
fn deletions_and_large_updates_are_of_unknown_origin_until_the_queue_ends() {
    let (mut updates, now) = (CountedUpdates::default(), Instant::now());
    updates.step_1(&ClientClocks::default());
    updates.step_2(now);
    updates.update(&Bytes::from_static(&[0, 0]), true, now);
    updates.update(&Bytes::from(vec![0; MAX_READ_BYTES + 1]), true, now);
    updates.end_flush();
    updates.update(&Bytes::from_static(&[0, 0]), false, now);
    assert_eq!(updates.note_stored(4), 2);
    assert_eq!((updates.due_at(), updates.take_withheld(now)), (Some(now + QUIET_FOR), 0));
    assert_eq!(updates.take_withheld(now + QUIET_FOR), 2);
    assert_eq!(updates.due_at(), None);
}
