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
    closing,
    edit_inbox::EditInbox,
    run::Run,
    seats::{Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{
    driver::{
        Cast, Editor, EditorEvent, Graphql, GraphqlEvent, Http, LinkOptions, Marker, Operation,
    },
    measure::{Board, Counts, wait_until},
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
    inbox: Arc<Mutex<EditInbox>>,
}

enum Writer {
    Graphql(Graphql),
    Yjs(Editor),
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
        let all_are_live = stage.wait_for(|inbox| inbox.is_live).await;
        ensure!(
            all_are_live,
            "not all subscriptions had begun after {PATIENCE:?}: the server is too slow for this load"
        );
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
        self.wait_for(|inbox| inbox.has_all(schedule.per_sender())).await;
    }

    /// Waits until the closing mark of each document has reached all of its connections.
    ///
    /// # Errors
    /// A mark is refused.
    pub(crate) async fn close_off(&self) -> anyhow::Result<()> {
        let targets: Vec<_> = self.clients.iter().map(|client| client.target.clone()).collect();
        closing::write(&targets).await?;
        self.wait_for(EditInbox::has_closing).await;
        Ok(())
    }

    /// Waits until a condition is true of all connections. Returns whether it is.
    async fn wait_for(&self, condition: impl Fn(&EditInbox) -> bool) -> bool {
        let is_true = || self.clients.iter().all(|client| condition(&client.inbox.lock()));
        wait_until(PATIENCE, is_true).await
    }

    /// Returns what is counted.
    pub(crate) fn counts(&self, schedule: &Schedule) -> Counts {
        let mut counts = Counts { sent: schedule.events(), ..Counts::default() };
        for client in &self.clients {
            counts.add(&client.inbox.lock().counts(schedule.per_sender()));
        }
        self.board.count_answers(&mut counts);
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
            let found = &texts[&seat.document];
            for marker in client.inbox.lock().acknowledged() {
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
    let inbox = Arc::new(Mutex::new(EditInbox::of(seat)));
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
