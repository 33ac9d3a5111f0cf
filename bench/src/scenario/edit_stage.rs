//! Edits that insert a unique mark at the beginning of a document.
//!
//! Each mark must reach the other users once, in the order of its author, and be in the text once in the end.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;

use super::{
    change_log::Change,
    run::Run,
    seats::{Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{
    driver::{
        Cast, Editor, EditorEvent, Graphql, GraphqlEvent, Http, LinkOptions, Marker, Operation,
    },
    measure::{Arrival, Arrivals, Board, Counts, wait_until},
    schedule::Schedule,
};

/// The longest wait for what should have arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// How edits are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `editDocument` and `documentChanged`.
    Graphql,
    /// Updates over `/sync`.
    Yjs,
}

/// Connections that have their documents open and receive each other's edits.
pub(crate) struct EditStage {
    pub(crate) board: Arc<Board>,
    clients: Vec<EditClient>,
}

struct EditClient {
    target: Target,
    writer: Writer,
    inbox: Arc<Mutex<Inbox>>,
}

enum Writer {
    Graphql(Graphql),
    Yjs(Editor),
}

/// What one connection has received.
#[derive(Debug, Default)]
struct Inbox {
    own: Option<usize>,
    /// Whether everything from now on arrives.
    is_live: bool,
    /// The newest version that it knows.
    version: u64,
    streams: HashMap<usize, Arrivals>,
    acknowledged: Arrivals,
    counts: Counts,
}

impl EditStage {
    /// Connects all seats and waits until they receive each other's changes.
    ///
    /// # Errors
    /// A connection is refused, or a subscription does not begin.
    pub(crate) async fn connect(
        run: &Run<'_>,
        cast: &Cast,
        seats: &Seats,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let board = Arc::<Board>::default();
        let targets = seats.targets(run, cast);
        let opened = targets.into_iter().map(|target| open(target, Arc::clone(&board), protocol));
        let clients = spread(opened, UNHURRIED).await.context("a client could not connect")?;
        let stage = Self { board, clients };
        stage.rename().await?;
        let is_live = || stage.clients.iter().all(|client| client.inbox.lock().is_live);
        let all_are_live = wait_until(PATIENCE, is_live).await;
        ensure!(all_are_live, "not all subscriptions had begun after {PATIENCE:?}");
        Ok(stage)
    }

    /// Changes the title once per GraphQL client. Who has received the other's new title receives everything from then on.
    async fn rename(&self) -> anyhow::Result<()> {
        for (number, client) in self.clients.iter().enumerate() {
            let Writer::Graphql(connection) = &client.writer else { continue };
            let document = &client.target.document;
            let variables = format!(r#"{{"d":"{document}","t":"Title {number}"}}"#);
            connection.run(Operation::RENAME, &variables).await?;
        }
        Ok(())
    }

    /// Sends edits by the schedule and waits until all are acknowledged and have arrived.
    pub(crate) async fn drive(&self, schedule: &Schedule) {
        let mut senders: Vec<_> =
            self.clients.iter().filter(|client| client.target.seat.sends.is_some()).collect();
        senders.sort_by_key(|client| client.target.seat.sends);
        schedule
            .drive(|event| {
                self.board.sending(event);
                let marker =
                    Marker { sender: schedule.sender(event), place: schedule.place(event) };
                senders[marker.sender].edit(event, marker);
            })
            .await;
        wait_until(PATIENCE, || self.board.answer_count() >= schedule.events()).await;
        let everything = schedule.per_sender();
        let have_all = || {
            self.clients.iter().all(|client| {
                client.inbox.lock().streams.values().all(|stream| stream.count() == everything)
            })
        };
        wait_until(PATIENCE, have_all).await;
    }

    /// Returns what is counted.
    pub(crate) fn counts(&self, schedule: &Schedule) -> Counts {
        let mut counts = Counts { sent: schedule.events(), ..Counts::default() };
        for client in &self.clients {
            let inbox = client.inbox.lock();
            counts.add(&inbox.counts);
            for stream in inbox.streams.values() {
                counts.expected += schedule.per_sender();
                counts.delivered += stream.count();
                counts.lost += schedule.per_sender() - stream.count();
            }
        }
        counts.refused = self.board.refused_count();
        counts.unanswered = schedule.events().saturating_sub(self.board.answer_count());
        counts
    }

    /// Reads all texts and returns a sentence for each way in which they lack or repeat acknowledged edits.
    ///
    /// # Errors
    /// A text cannot be read.
    pub(crate) async fn check_texts(&self, run: &Run<'_>) -> anyhow::Result<Vec<String>> {
        let http = run.deployment.http()?;
        let (mut missing, mut repeated) = (0, 0);
        let mut texts = BTreeMap::new();
        for client in &self.clients {
            let Target { seat, token, document, .. } = &client.target;
            if let Entry::Vacant(entry) = texts.entry(seat.document) {
                entry.insert(marks(&http, token, document).await?);
            }
            let (Some(sender), found) = (seat.sends, &texts[&seat.document]) else { continue };
            let inbox = client.inbox.lock();
            for marker in inbox.acknowledged.places().map(|place| Marker { sender, place }) {
                missing += u64::from(!found.contains_key(&marker));
                repeated += found.get(&marker).map_or(0, |count| count - 1);
            }
        }
        let sentences = [
            (missing, "acknowledged edits are not in the text."),
            (repeated, "acknowledged edits are in the text more than once."),
        ];
        let broken = sentences.into_iter().filter(|(count, _)| *count > 0);
        Ok(broken.map(|(count, sentence)| format!("{count} {sentence}")).collect())
    }
}

/// Reads a text and returns how often each mark is in it.
async fn marks(http: &Http, token: &str, document: &str) -> anyhow::Result<HashMap<Marker, u64>> {
    let variables = serde_json::json!({ "d": document });
    let data = http.run(Some(token), Operation::READ, variables).await?;
    let content = data["document"]["content"].as_str().unwrap_or_default();
    let mut found = HashMap::new();
    for marker in Marker::find_all(content.as_bytes()) {
        *found.entry(marker).or_default() += 1;
    }
    Ok(found)
}

impl EditClient {
    fn edit(&self, event: u64, marker: Marker) {
        match &self.writer {
            Writer::Yjs(editor) => {
                editor.insert(event, &marker.to_string());
            }
            Writer::Graphql(connection) => {
                let (document, base) = (&self.target.document, self.inbox.lock().version);
                let variables = format!(
                    r#"{{"d":"{document}","b":{base},"s":[{{"insert":"{marker}"}}],"m":"{marker}"}}"#
                );
                connection.start(event, Operation::EDIT, &variables);
            }
        }
    }
}

async fn open(target: Target, board: Arc<Board>, protocol: Protocol) -> anyhow::Result<EditClient> {
    let Target { seat, address, token, document } = &target;
    let streams = seat.receives.iter().map(|sender| (*sender, Arrivals::default())).collect();
    let inbox = Inbox { own: seat.sends, version: 1, streams, ..Inbox::default() };
    let inbox = Arc::new(Mutex::new(inbox));
    let shared = Arc::clone(&inbox);
    let writer = match protocol {
        Protocol::Graphql => {
            let events = move |event: GraphqlEvent<'_>| shared.lock().take(&board, event);
            let connection =
                Graphql::connect(address, token, LinkOptions::default(), events).await?;
            let variables = format!(r#"{{"d":"{document}","v":1}}"#);
            connection.subscribe("changes", Operation::CHANGES, &variables);
            Writer::Graphql(connection)
        }
        Protocol::Yjs => {
            let events = move |event: EditorEvent<'_>| shared.lock().take_yjs(&board, event);
            Writer::Yjs(Editor::connect(address, token, document, true, events).await?)
        }
    };
    Ok(EditClient { target, writer, inbox })
}

impl Inbox {
    fn take(&mut self, board: &Board, event: GraphqlEvent<'_>) {
        match event {
            GraphqlEvent::Event { response, .. } => self.take_change(board, response),
            GraphqlEvent::Answer { operation, refused } => {
                self.answered(board, operation, refused);
            }
            GraphqlEvent::Ended(errors) => board.failed(errors),
            GraphqlEvent::Closed(reason) => self.closed(board, &reason),
        }
    }

    fn take_yjs(&mut self, board: &Board, event: EditorEvent<'_>) {
        match event {
            EditorEvent::Synced(_) => self.is_live = true,
            EditorEvent::Update(update) => self.take_marks(board, update),
            EditorEvent::Saved(event) => self.answered(board, event, None),
            EditorEvent::Clock(_) => {}
            EditorEvent::Denied(reason) => board.failed(&reason),
            EditorEvent::Closed(reason) => self.closed(board, &reason),
        }
    }

    fn closed(&mut self, board: &Board, reason: &str) {
        self.counts.closed += 1;
        board.note(reason);
    }

    fn answered(&mut self, board: &Board, event: u64, refused: Option<&str>) {
        board.answered(event, refused);
        if let (Some(schedule), None) = (board.schedule(), refused) {
            self.acknowledged.add(schedule.place(event));
        }
    }

    fn take_change(&mut self, board: &Board, response: &str) {
        let Some(change) = Change::parse(response) else {
            self.counts.misrouted += 1;
            return;
        };
        self.version = self.version.max(change.version);
        if change.kind == "RENAMED" {
            self.is_live = true;
        }
        for text in change.insertions() {
            self.take_marks(board, text.as_bytes());
        }
    }

    fn take_marks(&mut self, board: &Board, text: &[u8]) {
        for Marker { sender, place } in Marker::find_all(text) {
            if self.own == Some(sender) {
                self.counts.echoed += 1;
                continue;
            }
            let Some(stream) = self.streams.get_mut(&sender) else {
                self.counts.misrouted += 1;
                continue;
            };
            match stream.add(place) {
                Arrival::Repeated => self.counts.repeated += 1,
                arrival => {
                    self.counts.reordered += u64::from(arrival == Arrival::Late);
                    board.delivered(sender, place);
                }
            }
        }
    }
}
