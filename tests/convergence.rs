//! Deltas and Yjs updates that are made at the same time converge: for the server, for clients that compose what they are
//! told, for editors that merge it, and for the database.
//!
//! Random plans of people who write at the same time, each from the version that he has seen, some of them late, with
//! emoji, combining marks and surrogates, which editors split in two; a failing plan is shrunk and kept in `proptest-regressions`, and replayed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a helper that cannot go on has found what the test looks for"
)]

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use coscribe::{
    domain::{AccessLevel, Content, Delta, DeltaStep, DocumentId, EditId, Tie, Version},
    editing::{EditKind, EditRequest},
    room::RoomOptions,
    store::SnapshotState,
};
use proptest::prelude::*;
use yrs::{
    ClientID, Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _,
    TextRef, Transact as _, Update, updates::decoder::Decode as _,
};

#[path = "support/home.rs"]
mod home;

use home::{Home, roomy};

const ALPHABET: [&str; 8] = ["a", "b", " ", "\n", "ö", "e\u{301}", "🎈", "👨\u{200d}👩"];

/// What somebody does next.
#[derive(Debug, Clone)]
enum Step {
    /// Client so-and-so inserts letters somewhere and deletes some characters there.
    Write { client: usize, at: usize, letters: Vec<usize>, delete: usize },
    /// Client so-and-so sends what it has written so far.
    Send(usize),
    /// Client so-and-so is told of so many changes.
    Hear(usize, usize),
    /// Editor so-and-so inserts letters somewhere and deletes some code units there.
    Type { editor: usize, at: u32, letters: Vec<usize>, delete: u32 },
    /// Editor so-and-so sends what it has typed so far, all of it once more if it should.
    Push(usize, bool),
    /// Editor so-and-so is told of so many changes.
    Pull(usize, i64),
    /// The room closes, and the document is opened again from what is stored.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (client, editor) = (0..3_usize, 0..2_usize);
    let letters = prop::collection::vec(0..ALPHABET.len(), 0..3);
    prop_oneof![
        4 => (editor.clone(), 0..60_u32, letters.clone(), 0..3_u32).prop_map(
            |(editor, at, letters, delete)| Step::Type { editor, at, letters, delete }
        ),
        3 => (editor.clone(), prop::bool::weighted(0.2)).prop_map(|(editor, all)| Step::Push(editor, all)),
        3 => (editor, 1..4_i64).prop_map(|(editor, count)| Step::Pull(editor, count)),
        6 => (client.clone(), 0..40_usize, letters, 0..3_usize).prop_map(
            |(client, at, letters, delete)| Step::Write { client, at, letters, delete }
        ),
        4 => client.clone().prop_map(Step::Send),
        4 => (client, 1..4_usize).prop_map(|(client, count)| Step::Hear(client, count)),
        1 => Just(Step::Reopen),
    ]
}

/// A client as one would write it: the text of the version that it has seen, its own edit on the way, and what it has
/// typed since.
struct Client {
    text: Content,
    version: i64,
    /// The edit that was sent, and the version that it was answered with.
    sent: Option<(Delta, i64)>,
    typed: Delta,
    /// Changes of everybody that it was not told of yet; none for its own.
    inbox: VecDeque<(i64, Option<Arc<Delta>>)>,
}

impl Client {
    /// What its user sees.
    fn shown(&self) -> Content {
        let sent = self.sent.as_ref().map(|(delta, _)| delta.clone()).unwrap_or_default();
        self.text.apply(&sent.compose(&self.typed)).unwrap()
    }

    fn write(&mut self, at: usize, letters: &[usize], delete: usize) {
        let shown = self.shown().to_string();
        let chars: Vec<usize> = shown.chars().map(char::len_utf16).collect();
        let at = at % (chars.len() + 1);
        let units = |range: &[usize]| i64::try_from(range.iter().sum::<usize>()).unwrap();
        let deleted = units(&chars[at..(at + delete).min(chars.len())]);
        let inserted: String = letters.iter().map(|letter| ALPHABET[*letter]).collect();
        let mut steps = vec![];
        if at > 0 {
            steps.push(DeltaStep { retain: Some(units(&chars[..at])), ..DeltaStep::default() });
        }
        if !inserted.is_empty() {
            steps.push(DeltaStep { insert: Some(inserted), ..DeltaStep::default() });
        }
        if deleted > 0 {
            steps.push(DeltaStep { delete: Some(deleted), ..DeltaStep::default() });
        }
        self.typed = self.typed.compose(&Delta::from_steps(steps).unwrap());
    }

    /// Takes in the next change, in the order of versions.
    fn hear(&mut self) {
        let Some((version, change)) = self.inbox.pop_front() else { return };
        assert_eq!(version, self.version + 1, "neither hole nor double");
        self.version = version;
        match change {
            // Its own: from now on it is part of the text.
            None => {
                let (sent, answered) = self.sent.take().unwrap();
                assert_eq!(answered, version);
                self.text = self.text.apply(&sent).unwrap();
            }
            Some(change) => {
                let (mut theirs, mut sent) = ((*change).clone(), self.sent.take());
                self.text = self.text.apply(&theirs).unwrap();
                if let Some((mine, _)) = &mut sent {
                    let later = mine.transform(&theirs, Tie::Theirs);
                    theirs = theirs.transform(mine, Tie::Mine);
                    *mine = later;
                }
                self.typed = self.typed.transform(&theirs, Tie::Theirs);
                self.sent = sent;
            }
        }
    }
}

/// A Yjs editor: its document, what it has not sent yet, and the last version that it was told of.
struct Editor {
    doc: Doc,
    text: TextRef,
    unsent: Vec<Bytes>,
    version: i64,
}

impl Editor {
    fn new(client: u64, state: &[u8]) -> Self {
        let mut options = Options::with_client_id(ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text("content");
        doc.transact_mut().apply_update(Update::decode_v1(state).unwrap()).unwrap();
        Self { doc, text, unsent: vec![], version: 1 }
    }

    fn write(&mut self, at: u32, letters: &[usize], delete: u32) {
        let mut txn = self.doc.transact_mut();
        let length = self.text.len(&txn);
        let at = at % (length + 1);
        // Looking for a place is enough for the library to split a character there, and nobody is told of that.
        let delete = delete.min(length - at);
        if delete > 0 {
            self.text.remove_range(&mut txn, at, delete);
        }
        let inserted: String = letters.iter().map(|letter| ALPHABET[*letter]).collect();
        if !inserted.is_empty() {
            self.text.insert(&mut txn, at, &inserted);
        }
        txn.commit();
        self.unsent.push(txn.encode_update_v1().into());
    }

    /// Takes in changes up to a version, its own too.
    async fn hear(&mut self, house: &House, up_to: i64) {
        let (known, up_to) = (Version::new(self.version), Version::new(up_to));
        let log = house.home.store.list_changes(house.document, known, up_to, usize::MAX);
        for change in log.await.unwrap() {
            let update = Update::decode_v1(change.update.as_ref().unwrap()).unwrap();
            self.doc.transact_mut().apply_update(update).unwrap();
            self.version = change.version.number();
        }
    }

    fn shown(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

/// A document in a home of its own.
struct House {
    home: Home,
    document: DocumentId,
}

impl House {
    async fn new() -> Self {
        // Every plan meets snapshots, and bases that are no longer in memory.
        let home =
            Home::new(RoomOptions { snapshot_every: 5, recent_bytes: 1_500, ..roomy() }).await;
        let document = home.document("Begin 🎈.").await.id;
        Self { home, document }
    }

    async fn edit(&self, base: i64, delta: &Delta) -> i64 {
        let stored = self.home.rooms.edit(EditRequest {
            document: self.document,
            author: self.home.user,
            session: None,
            name: Some(EditId::unique()),
            kind: EditKind::Edit { base: Version::new(base), delta: Arc::new(delta.clone()) },
        });
        stored.await.unwrap().version.number()
    }

    async fn merge(&self, updates: Vec<Bytes>) {
        let stored = self.home.rooms.edit(EditRequest {
            document: self.document,
            author: self.home.user,
            session: None,
            name: None,
            kind: EditKind::Merge { updates, acknowledge: false },
        });
        stored.await.unwrap();
    }

    async fn head(&self) -> i64 {
        self.home.store.find_head(self.document).await.unwrap().unwrap().version.number()
    }

    async fn content_at(&self, version: i64) -> Content {
        self.home.rooms.content_at(self.document, Version::new(version)).await.unwrap()
    }
}

async fn run(plan: Vec<Step>) {
    let house = House::new().await;
    let text = house.content_at(1).await;
    let mut clients: Vec<Client> = (0..3)
        .map(|_| Client {
            text: text.clone(),
            version: 1,
            sent: None,
            typed: Delta::default(),
            inbox: VecDeque::new(),
        })
        .collect();
    let first = house.home.store.find_snapshot(house.document, Version::FIRST).await;
    let SnapshotState::Yjs(state) = first.unwrap().unwrap().state else { panic!("no state") };
    let mut editors: Vec<Editor> = (0..2).map(|n| Editor::new(7 + n, &state)).collect();
    for step in plan {
        match step {
            Step::Type { editor, at, letters, delete } => {
                editors[editor].write(at, &letters, delete);
            }
            Step::Push(editor, all) => push(&house, &mut clients, &mut editors[editor], all).await,
            Step::Pull(editor, count) => {
                let up_to = editors[editor].version + count;
                editors[editor].hear(&house, up_to).await;
            }
            Step::Write { client, at, letters, delete } => {
                clients[client].write(at, &letters, delete);
            }
            Step::Send(client) => send(&house, &mut clients, client).await,
            Step::Hear(client, count) => (0..count).for_each(|_| clients[client].hear()),
            Step::Reopen => house.home.rooms.close().await,
        }
    }
    // Everybody says the last of it and hears the rest.
    for editor in &mut editors {
        push(&house, &mut clients, editor, false).await;
    }
    for client in 0..clients.len() {
        while !clients[client].typed.is_empty() || clients[client].sent.is_some() {
            send(&house, &mut clients, client).await;
            while !clients[client].inbox.is_empty() {
                clients[client].hear();
            }
        }
    }
    let head = house.head().await;
    let stored = house.content_at(head).await;
    for client in &mut clients {
        while !client.inbox.is_empty() {
            client.hear();
        }
        assert_eq!((client.version, client.shown().to_string()), (head, stored.to_string()));
    }
    for editor in &mut editors {
        editor.hear(&house, head).await;
        assert_eq!((editor.version, editor.shown()), (head, stored.to_string()));
    }

    // The log from the beginning, and each text on the way, are the same again.
    let (first, last) = (Version::FIRST, Version::new(head));
    let log = house.home.store.list_changes(house.document, first, last, usize::MAX).await.unwrap();
    let deltas: Vec<Delta> =
        log.iter().map(|change| (**change.delta.as_ref().unwrap()).clone()).collect();
    let mut content = text.clone();
    for (change, delta) in log.iter().zip(&deltas) {
        content = content.apply(delta).unwrap();
        let at = house.content_at(change.version.number()).await;
        assert_eq!(content.to_string(), at.to_string());
    }
    assert_eq!(content, stored);
    assert_eq!(text.apply(&Delta::compose_all(deltas)).unwrap(), stored);
    house.home.rooms.close().await;
    let level = house.home.store.find_access_level(house.home.user, house.document).await.unwrap();
    assert_eq!(level, Some(AccessLevel::Owner));
}

/// Sends what a client has typed, if nothing of it is on the way already.
async fn send(house: &House, clients: &mut [Client], sender: usize) {
    let client = &mut clients[sender];
    if client.sent.is_some() || client.typed.is_empty() {
        return;
    }
    let delta = std::mem::take(&mut client.typed);
    let before = house.head().await;
    let version = house.edit(client.version, &delta).await;
    if version == before {
        // Others had deleted it already: nothing is left of it, here neither once it has heard of that.
        client.sent = Some((delta, 0));
        while !client.inbox.is_empty() {
            client.hear();
        }
        assert_eq!(client.sent.take().map(|(left, _)| left), Some(Delta::default()));
        return;
    }
    client.sent = Some((delta, version));
    tell(house, clients, Some(sender), before).await;
}

/// Sends what an editor has typed, or everything that it has.
async fn push(house: &House, clients: &mut [Client], editor: &mut Editor, all: bool) {
    let mut updates = std::mem::take(&mut editor.unsent);
    if all {
        let everything = editor.doc.transact().encode_state_as_update_v1(&StateVector::default());
        updates = vec![everything.into()];
    }
    if updates.is_empty() {
        return;
    }
    let before = house.head().await;
    house.merge(updates).await;
    tell(house, clients, None, before).await;
}

/// Tells everybody of what came after a version; to whom it is its own, that it was stored.
async fn tell(house: &House, clients: &mut [Client], sender: Option<usize>, before: i64) {
    let (after, head) = (Version::new(before), Version::new(house.head().await));
    let log = house.home.store.list_changes(house.document, after, head, usize::MAX).await.unwrap();
    for change in log {
        for (number, client) in clients.iter_mut().enumerate() {
            let told = change.delta.clone().filter(|_| Some(number) != sender);
            client.inbox.push_back((change.version.number(), told));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn everybody_ends_with_the_same_text(plan in prop::collection::vec(step(), 0..60)) {
        actix_rt::System::new().block_on(run(plan));
    }
}
