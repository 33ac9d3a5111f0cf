//! Cursors, whose lines name their senders and whose columns number their moves.
//!
//! A newer cursor may replace an older one, so a missing one is no loss. After the load each sender moves once more, and that
//! move must reach everyone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::interval;

use super::{
    run::Run,
    seats::{Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{
    driver::{Cast, Graphql, GraphqlEvent, LinkOptions, Operation},
    measure::{Arrival, Arrivals, Board, Counts, wait_until},
    schedule::Schedule,
};

/// The column of moves that only show that the subscriptions work.
const PROBE: u64 = 1_000_000_000;

/// The column of the last move.
const LAST: u64 = PROBE + 1;

/// The id of the last move.
const LAST_MOVE: u64 = 1 << 39;

/// The first id of probes.
const FIRST_PROBE: u64 = LAST_MOVE + 1;

/// The longest wait for what should have arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a probe is repeated.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// Connections that have everything open and receive each other's cursors.
pub(crate) struct CursorStage {
    pub(crate) board: Arc<Board>,
    clients: Vec<CursorClient>,
    senders: usize,
}

struct CursorClient {
    target: Target,
    connection: Graphql,
    inbox: Arc<Mutex<Inbox>>,
}

/// What one connection has received.
#[derive(Debug, Default)]
struct Inbox {
    own: Option<usize>,
    streams: HashMap<usize, Stream>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Stream {
    arrivals: Arrivals,
    has_probe: bool,
    has_last: bool,
}

#[derive(Deserialize)]
struct CursorResponse {
    data: CursorData,
}

#[derive(Deserialize)]
struct CursorData {
    #[serde(rename = "cursorMoved")]
    moved: CursorMove,
}

#[derive(Deserialize)]
struct CursorMove {
    cursor: CursorPosition,
}

#[derive(Deserialize)]
struct CursorPosition {
    line: usize,
    column: u64,
}

impl CursorStage {
    /// Connects all seats, starts these subscriptions for each (besides that to cursors), and waits until all cursors arrive.
    ///
    /// # Errors
    /// A connection is refused, or a subscription does not begin.
    pub(crate) async fn connect(
        run: &Run<'_>,
        cast: &Cast,
        seats: &Seats,
        others: &'static [(&'static str, Operation)],
    ) -> anyhow::Result<Self> {
        let board = Arc::<Board>::default();
        let targets = seats.targets(run, cast);
        let opened = targets.into_iter().map(|target| open(target, Arc::clone(&board), others));
        let clients = spread(opened, UNHURRIED).await.context("a client could not connect")?;
        let stage = Self { board, clients, senders: seats.senders() };
        stage.probe().await?;
        Ok(stage)
    }

    /// Moves the cursors until each receiver has seen all of its senders.
    async fn probe(&self) -> anyhow::Result<()> {
        let is_live = || self.inboxes_have(|stream| stream.has_probe);
        let mut rounds = interval(PROBE_EVERY);
        let limit = (PATIENCE.as_millis() / PROBE_EVERY.as_millis()) as u64;
        for round in 0..limit {
            rounds.tick().await;
            if is_live() {
                return Ok(());
            }
            for client in self.clients.iter().filter(|_| round % 5 == 0) {
                client.move_cursor(FIRST_PROBE + round, PROBE);
            }
        }
        ensure!(is_live(), "not all subscriptions had begun after {PATIENCE:?}");
        Ok(())
    }

    /// Moves the cursors by the schedule, then once more, and waits until all of that has arrived.
    pub(crate) async fn drive(&self, schedule: &Schedule) {
        let by_sender = self.by_sender();
        let before = self.board.answer_count();
        schedule
            .drive(|event| {
                self.board.sending(event);
                let (sender, column) = (schedule.sender(event), schedule.place(event));
                by_sender[sender].move_cursor(event, column);
            })
            .await;
        let expected = before + schedule.events();
        wait_until(PATIENCE, || self.board.answer_count() >= expected).await;
        self.close_off().await;
    }

    /// Moves each cursor a last time and waits until all receivers have that.
    pub(crate) async fn close_off(&self) {
        for client in &self.clients {
            client.move_cursor(LAST_MOVE, LAST);
        }
        wait_until(PATIENCE, || self.inboxes_have(|stream| stream.has_last)).await;
    }

    fn by_sender(&self) -> Vec<&CursorClient> {
        let mut senders: Vec<_> =
            self.clients.iter().filter(|client| client.target.seat.sends.is_some()).collect();
        senders.sort_by_key(|client| client.target.seat.sends);
        senders
    }

    fn inboxes_have(&self, condition: impl Fn(&Stream) -> bool) -> bool {
        self.clients.iter().all(|client| client.inbox.lock().streams.values().all(&condition))
    }

    /// Returns what is counted. `per_sender` is how often each sender has moved by the schedule.
    pub(crate) fn counts(&self, per_sender: u64) -> Counts {
        let mut counts = Counts { sent: per_sender * self.senders as u64, ..Counts::default() };
        for client in &self.clients {
            let inbox = client.inbox.lock();
            counts.add(&inbox.counts);
            for stream in inbox.streams.values() {
                counts.expected += per_sender;
                counts.delivered += stream.arrivals.count();
                counts.replaced += per_sender - stream.arrivals.count();
                counts.lost += u64::from(!stream.has_last);
            }
        }
        counts.refused = self.board.refused_count();
        counts
    }
}

async fn open(
    target: Target,
    board: Arc<Board>,
    others: &[(&str, Operation)],
) -> anyhow::Result<CursorClient> {
    let seat = &target.seat;
    let streams = seat.receives.iter().map(|sender| (*sender, Stream::default())).collect();
    let inbox = Inbox { own: seat.sends, streams, ..Inbox::default() };
    let inbox = Arc::new(Mutex::new(inbox));
    let shared = Arc::clone(&inbox);
    let events = move |event: GraphqlEvent<'_>| take(&shared, &board, event);
    let options = LinkOptions::default();
    let connection = Graphql::connect(&target.address, &target.token, options, events).await?;
    let variables = format!(r#"{{"d":"{}"}}"#, target.document);
    connection.subscribe("cursors", Operation::CURSORS, &variables);
    for (id, operation) in others {
        connection.subscribe(id, *operation, &variables);
    }
    Ok(CursorClient { target, connection, inbox })
}

fn take(inbox: &Mutex<Inbox>, board: &Board, event: GraphqlEvent<'_>) {
    match event {
        GraphqlEvent::Event { subscription: "cursors", response } => {
            inbox.lock().take_cursor(board, response);
        }
        GraphqlEvent::Event { .. } => {}
        GraphqlEvent::Answer { operation, refused } => {
            // A probe is refused until the session has the document open. The last move is not part of the schedule.
            if operation < LAST_MOVE || (operation == LAST_MOVE && refused.is_some()) {
                board.answered(operation, refused);
            }
        }
        GraphqlEvent::Ended(errors) => board.failed(errors),
        GraphqlEvent::Closed(reason) => {
            inbox.lock().counts.closed += 1;
            board.note(&reason);
        }
    }
}

impl Inbox {
    fn take_cursor(&mut self, board: &Board, response: &str) {
        let Ok(CursorResponse { data }) = serde_json::from_str(response) else {
            self.counts.misrouted += 1;
            return;
        };
        let CursorPosition { line: sender, column } = data.moved.cursor;
        if self.own == Some(sender) {
            self.counts.echoed += 1;
            return;
        }
        let Some(stream) = self.streams.get_mut(&sender) else {
            self.counts.misrouted += 1;
            return;
        };
        match column {
            PROBE => stream.has_probe = true,
            LAST => stream.has_last = true,
            place => match stream.arrivals.add(place) {
                Arrival::Repeated => self.counts.repeated += 1,
                arrival => {
                    self.counts.reordered += u64::from(arrival == Arrival::Late);
                    board.delivered(sender, place);
                }
            },
        }
    }
}

impl CursorClient {
    /// Moves the cursor, if this connection sends.
    fn move_cursor(&self, operation: u64, column: u64) {
        let Some(line) = self.target.seat.sends else { return };
        let document = &self.target.document;
        let variables = format!(r#"{{"d":"{document}","l":{line},"c":{column}}}"#);
        self.connection.start(operation, Operation::CURSOR, &variables);
    }
}
