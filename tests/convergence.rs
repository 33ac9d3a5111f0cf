//! Convergence: deltas and Yjs updates that are made concurrently lead to the same text on the server, for clients that
//! compose the broadcast deltas, for editors that merge the updates, and in the database.
//!
//! Random plans: clients and editors write concurrently, each from the version it has, some of them late, with emoji,
//! combining marks and surrogate pairs, which editors split in two. A failing plan is shrunk and kept in
//! `proptest-regressions`, and every later run replays it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails its test"
)]

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use coscribe::{
    domain::{AccessLevel, Content, Delta, DeltaStep, DocumentId, EditId, Party, Tie, Version},
    editing::{Acknowledgement, EditKind, EditRequest},
    room::RoomOptions,
    store::SnapshotState,
};
use kit::{Backend, generous_rooms};
use proptest::prelude::*;
use yrs::{
    ClientID, Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _,
    TextRef, Transact as _, Update, updates::decoder::Decode as _,
};

const ALPHABET: [&str; 8] = ["a", "b", " ", "\n", "ö", "e\u{301}", "🎈", "👨\u{200d}👩"];

/// A step of a plan. Clients and editors are named by their index.
#[derive(Debug, Clone)]
enum Step {
    /// A client inserts letters at a position and deletes some characters after it.
    Write { client: usize, at: usize, letters: Vec<usize>, delete: usize },
    /// A client sends what it has written.
    Send(usize),
    /// A client receives this many changes.
    Receive(usize, usize),
    /// An editor inserts letters at a position and deletes some code units after it.
    Type { editor: usize, at: u32, letters: Vec<usize>, delete: u32 },
    /// An editor sends what it has typed, or with `true` its whole document.
    Push(usize, bool),
    /// An editor receives this many changes.
    Pull(usize, i64),
    /// The room closes and opens again from the database.
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
        4 => (client, 1..4_usize).prop_map(|(client, count)| Step::Receive(client, count)),
        1 => Just(Step::Reopen),
    ]
}

/// A client: the text of the version it has received, its edit in flight, and what it has written since.
struct Client {
    text: Content,
    version: i64,
    /// The edit in flight, and the version in its answer.
    sent: Option<(Delta, i64)>,
    unsent: Delta,
    /// Broadcast changes that it has not received yet; `None` for its own.
    inbox: VecDeque<(i64, Option<Arc<Delta>>)>,
}

impl Client {
    /// The text that its user sees.
    fn shown(&self) -> Content {
        let sent = self.sent.as_ref().map(|(delta, _)| delta.clone()).unwrap_or_default();
        self.text.apply(&sent.compose(&self.unsent)).unwrap()
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
        self.unsent = self.unsent.compose(&Delta::from_steps(steps).unwrap());
    }

    /// Receives the next change, in the order of versions.
    fn receive(&mut self) {
        let Some((version, change)) = self.inbox.pop_front() else { return };
        assert_eq!(version, self.version + 1, "no gap and no duplicate");
        self.version = version;
        match change {
            // Its own edit becomes part of the text.
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
                self.unsent = self.unsent.transform(&theirs, Tie::Theirs);
                self.sent = sent;
            }
        }
    }
}

/// A Yjs editor: its document, its unsent updates, and the last version it has received.
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
        // The library may split a character just by seeking a position, and no update contains that.
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

    /// Receives changes up to a version, also its own.
    async fn receive(&mut self, server: &Server, up_to: i64) {
        let (known, up_to) = (Version::new(self.version), Version::new(up_to));
        let log = server.backend.store.list_changes(server.document, known, up_to, usize::MAX);
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

/// A document on a backend of its own.
struct Server {
    backend: Backend,
    document: DocumentId,
}

impl Server {
    async fn new() -> Self {
        // Every plan crosses snapshots and has bases that are no longer in memory.
        let options = RoomOptions { snapshot_every: 5, recent_bytes: 1_500, ..generous_rooms() };
        let backend = Backend::new(options).await;
        let document = backend.create_document("Begin 🎈.").await.id;
        Self { backend, document }
    }

    async fn edit(&self, base: i64, delta: &Delta) -> i64 {
        let stored = self.backend.rooms.edit(EditRequest {
            document: self.document,
            author: self.backend.user,
            session: None,
            name: Some(EditId::unique()),
            kind: EditKind::Edit { base: Version::new(base), delta: Arc::new(delta.clone()) },
        });
        stored.await.unwrap().version.number()
    }

    async fn merge(&self, updates: Vec<Bytes>) {
        let stored = self.backend.rooms.edit(EditRequest {
            document: self.document,
            author: self.backend.user,
            session: None,
            name: None,
            kind: EditKind::Merge { updates, acknowledgement: Acknowledgement::None },
        });
        stored.await.unwrap();
    }

    async fn head(&self) -> i64 {
        self.backend.store.find_head(self.document).await.unwrap().unwrap().version.number()
    }

    async fn content_at(&self, version: i64) -> Content {
        self.backend.rooms.text_at(self.document, Version::new(version), Party::Node).await.unwrap()
    }
}

async fn run(plan: Vec<Step>) {
    let server = Server::new().await;
    let text = server.content_at(1).await;
    let mut clients: Vec<Client> = (0..3)
        .map(|_| Client {
            text: text.clone(),
            version: 1,
            sent: None,
            unsent: Delta::default(),
            inbox: VecDeque::new(),
        })
        .collect();
    let first = server.backend.store.find_snapshot(server.document, Version::FIRST).await;
    let SnapshotState::Yjs(state) = first.unwrap().unwrap().state else { panic!("no state") };
    let mut editors: Vec<Editor> = (0..2).map(|n| Editor::new(7 + n, &state)).collect();
    for step in plan {
        match step {
            Step::Type { editor, at, letters, delete } => {
                editors[editor].write(at, &letters, delete);
            }
            Step::Push(editor, all) => push(&server, &mut clients, &mut editors[editor], all).await,
            Step::Pull(editor, count) => {
                let up_to = editors[editor].version + count;
                editors[editor].receive(&server, up_to).await;
            }
            Step::Write { client, at, letters, delete } => {
                clients[client].write(at, &letters, delete);
            }
            Step::Send(client) => send(&server, &mut clients, client).await,
            Step::Receive(client, count) => (0..count).for_each(|_| clients[client].receive()),
            Step::Reopen => server.backend.rooms.close().await,
        }
    }
    // All send what they have left, then receive the rest.
    for editor in &mut editors {
        push(&server, &mut clients, editor, false).await;
    }
    for client in 0..clients.len() {
        while !clients[client].unsent.is_empty() || clients[client].sent.is_some() {
            send(&server, &mut clients, client).await;
            while !clients[client].inbox.is_empty() {
                clients[client].receive();
            }
        }
    }
    let head = server.head().await;
    let stored = server.content_at(head).await;
    for client in &mut clients {
        while !client.inbox.is_empty() {
            client.receive();
        }
        assert_eq!((client.version, client.shown().to_string()), (head, stored.to_string()));
    }
    for editor in &mut editors {
        editor.receive(&server, head).await;
        assert_eq!((editor.version, editor.shown()), (head, stored.to_string()));
    }

    // The change log from the beginning leads through the same texts.
    let (first, last) = (Version::FIRST, Version::new(head));
    let log =
        server.backend.store.list_changes(server.document, first, last, usize::MAX).await.unwrap();
    let deltas: Vec<Delta> =
        log.iter().map(|change| (**change.delta.as_ref().unwrap()).clone()).collect();
    let mut content = text.clone();
    for (change, delta) in log.iter().zip(&deltas) {
        content = content.apply(delta).unwrap();
        let at = server.content_at(change.version.number()).await;
        assert_eq!(content.to_string(), at.to_string());
    }
    assert_eq!(content, stored);
    assert_eq!(text.apply(&Delta::compose_all(deltas)).unwrap(), stored);
    server.backend.rooms.close().await;
    let level =
        server.backend.store.find_access_level(server.backend.user, server.document).await.unwrap();
    assert_eq!(level, Some(AccessLevel::Owner));
}

/// Sends what a client has written, unless it has an edit in flight.
async fn send(server: &Server, clients: &mut [Client], sender: usize) {
    let client = &mut clients[sender];
    if client.sent.is_some() || client.unsent.is_empty() {
        return;
    }
    let delta = std::mem::take(&mut client.unsent);
    let before = server.head().await;
    let version = server.edit(client.version, &delta).await;
    if version == before {
        // Others have deleted the same: nothing is left of the edit, also here once the client has received their changes.
        client.sent = Some((delta, 0));
        while !client.inbox.is_empty() {
            client.receive();
        }
        assert_eq!(client.sent.take().map(|(left, _)| left), Some(Delta::default()));
        return;
    }
    client.sent = Some((delta, version));
    broadcast(server, clients, Some(sender), before).await;
}

/// Sends what an editor has typed, or its whole document.
async fn push(server: &Server, clients: &mut [Client], editor: &mut Editor, all: bool) {
    let mut updates = std::mem::take(&mut editor.unsent);
    if all {
        let everything = editor.doc.transact().encode_state_as_update_v1(&StateVector::default());
        updates = vec![everything.into()];
    }
    if updates.is_empty() {
        return;
    }
    let before = server.head().await;
    server.merge(updates).await;
    broadcast(server, clients, None, before).await;
}

/// Broadcasts the changes after a version. Their sender only learns that they are stored.
async fn broadcast(server: &Server, clients: &mut [Client], sender: Option<usize>, before: i64) {
    let (after, head) = (Version::new(before), Version::new(server.head().await));
    let log =
        server.backend.store.list_changes(server.document, after, head, usize::MAX).await.unwrap();
    for change in log {
        for (number, client) in clients.iter_mut().enumerate() {
            let delta = change.delta.clone().filter(|_| Some(number) != sender);
            client.inbox.push_back((change.version.number(), delta));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn all_participants_end_with_the_same_text(plan in prop::collection::vec(step(), 0..60)) {
        actix_rt::System::new().block_on(run(plan));
    }
}
