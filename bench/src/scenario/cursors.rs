//! Cursors, whose lines name their senders and whose columns number their moves.
//!
//! A newer cursor may replace an older one, so a missing one is no loss. After the load each sender moves once more, and that
//! move must reach everyone. Then two connections of each document make a closing move. Cursors of a document arrive in order, so
//! whatever must not arrive has arrived before that.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use tokio::time::interval;

use super::{
    cursor_inbox::{CLOSING, CursorInbox, LAST, PROBE},
    run::Run,
    seats::{Seat, Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{
    driver::{Cast, Graphql, GraphqlEvent, LinkOptions, Operation},
    measure::{Board, Counts, wait_until},
    schedule::Schedule,
};

/// The ids of the last and of the closing move. Those of the schedule are lower.
const LAST_MOVE: u64 = 1 << 39;
const CLOSING_MOVE: u64 = LAST_MOVE + 1;

/// The first id of probes.
const FIRST_PROBE: u64 = CLOSING_MOVE + 1;

/// The longest wait for what should have arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a probe is repeated.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// Connections that have everything open and receive each other's cursors.
pub(crate) struct CursorStage {
    pub(crate) board: Arc<Board>,
    clients: Vec<CursorClient>,
    closers: Closers,
    senders: usize,
}

struct CursorClient {
    target: Target,
    connection: Graphql,
    inbox: Arc<Mutex<CursorInbox>>,
}

/// The first and the last connection of each document.
struct Closers(BTreeMap<usize, [usize; 2]>);

impl Closers {
    fn of(seats: &Seats) -> Self {
        let mut closers = BTreeMap::new();
        for (number, seat) in seats.0.iter().enumerate() {
            closers.entry(seat.document).or_insert([number; 2])[1] = number;
        }
        Self(closers)
    }

    /// Returns the connections whose closing moves a connection must receive.
    fn received_by(&self, number: usize, document: usize) -> impl Iterator<Item = usize> {
        let closers = self.0.get(&document).copied().into_iter().flatten();
        closers.filter(move |closer| *closer != number)
    }
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
        let (board, closers) = (Arc::<Board>::default(), Closers::of(seats));
        let targets = seats.targets(run, cast);
        let opened = targets.into_iter().enumerate().map(|(number, target)| {
            let Seat { document, sends, receives, .. } = &target.seat;
            let closers = closers.received_by(number, *document);
            let inbox = CursorInbox::new((number, *sends), receives, closers);
            open(target, inbox, Arc::clone(&board), others)
        });
        let clients = spread(opened, UNHURRIED).await.context("a client could not connect")?;
        let stage = Self { board, clients, closers, senders: seats.senders() };
        stage.probe().await?;
        Ok(stage)
    }

    /// Moves the cursors until each receiver has seen all of its senders.
    async fn probe(&self) -> anyhow::Result<()> {
        let is_live = || self.inboxes_have(CursorInbox::has_probes);
        let mut rounds = interval(PROBE_EVERY);
        let limit = (PATIENCE.as_millis() / PROBE_EVERY.as_millis()) as u64;
        for round in 0..limit {
            rounds.tick().await;
            if is_live() {
                return Ok(());
            }
            for client in self.clients.iter().filter(|_| round % 5 == 0) {
                client.send(FIRST_PROBE + round, PROBE);
            }
        }
        ensure!(
            is_live(),
            "not all subscriptions had begun after {PATIENCE:?}: the server is too slow for this load"
        );
        Ok(())
    }

    /// Moves the cursors by the schedule, then once more, and waits until all of that has arrived.
    pub(crate) async fn drive(&self, schedule: &Schedule) {
        let by_sender = self.by_sender();
        schedule
            .drive(|event| {
                self.board.sending(event);
                by_sender[schedule.sender(event)].send(event, schedule.place(event));
            })
            .await;
        wait_until(PATIENCE, || self.board.answer_count() >= schedule.events()).await;
        self.close_off().await;
    }

    /// Moves each cursor a last time, makes the closing moves, and waits until all receivers have that.
    pub(crate) async fn close_off(&self) {
        self.clients.iter().for_each(|client| client.send(LAST_MOVE, LAST));
        wait_until(PATIENCE, || self.inboxes_have(CursorInbox::has_last)).await;
        for number in self.closers.0.values().flatten() {
            self.clients[*number].move_cursor(CLOSING_MOVE, *number, CLOSING);
        }
        wait_until(PATIENCE, || self.inboxes_have(CursorInbox::has_closings)).await;
    }

    fn by_sender(&self) -> Vec<&CursorClient> {
        let mut senders: Vec<_> =
            self.clients.iter().filter(|client| client.target.seat.sends.is_some()).collect();
        senders.sort_by_key(|client| client.target.seat.sends);
        senders
    }

    fn inboxes_have(&self, condition: impl Fn(&CursorInbox) -> bool) -> bool {
        self.clients.iter().all(|client| condition(&client.inbox.lock()))
    }

    /// Returns what is counted. `per_sender` is how often each sender has moved by the schedule.
    pub(crate) fn counts(&self, per_sender: u64) -> Counts {
        let mut counts = Counts { sent: per_sender * self.senders as u64, ..Counts::default() };
        for client in &self.clients {
            counts.add(&client.inbox.lock().counts(per_sender));
        }
        self.board.count_answers(&mut counts);
        counts
    }
}

async fn open(
    target: Target,
    inbox: CursorInbox,
    board: Arc<Board>,
    others: &[(&str, Operation)],
) -> anyhow::Result<CursorClient> {
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

fn take(inbox: &Mutex<CursorInbox>, board: &Board, event: GraphqlEvent<'_>) {
    match event {
        GraphqlEvent::Event { subscription: "cursors", response } => {
            inbox.lock().take(board, response);
        }
        GraphqlEvent::Event { .. } => {}
        // A probe is refused until the session has the document open.
        GraphqlEvent::Answer { operation: FIRST_PROBE.., .. } => {}
        // These are not part of the schedule.
        GraphqlEvent::Answer { operation: LAST_MOVE..=CLOSING_MOVE, refused } => {
            if let Some(errors) = refused {
                board.failed(errors);
            }
        }
        GraphqlEvent::Answer { operation, refused } => {
            let own = inbox.lock().own();
            board.answered(operation, own, refused);
        }
        GraphqlEvent::Ended(reason) => inbox.lock().end(board, reason),
        GraphqlEvent::Closed(reason) => inbox.lock().end(board, &reason),
    }
}

impl CursorClient {
    /// Moves the cursor to a column of the line that names this connection, if it sends.
    fn send(&self, operation: u64, column: u64) {
        if let Some(line) = self.target.seat.sends {
            self.move_cursor(operation, line, column);
        }
    }

    fn move_cursor(&self, operation: u64, line: usize, column: u64) {
        let document = &self.target.document;
        let variables = format!(r#"{{"d":"{document}","l":{line},"c":{column}}}"#);
        self.connection.start(operation, Operation::CURSOR, &variables);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_receives_a_closing_move_of_another_one() {
        let seats = Seats::audiences(2, 3, 8);
        let closers = Closers::of(&seats);
        let received = |number: usize| {
            closers.received_by(number, seats.0[number].document).collect::<Vec<_>>()
        };
        assert_eq!((received(0), received(1), received(2)), (vec![2], vec![0, 2], vec![0]));
        assert_eq!((received(3), received(4)), (vec![5], vec![3, 5]));
    }
}
