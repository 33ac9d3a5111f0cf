//! `storm`: all clients lose their connections at the same moment, and all come back at once.
//!
//! Meanwhile each document is edited. Each client resumes with the last version that it has received, and must receive that edit
//! once. A client that is refused tries again, as clients do.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{
    change_log::ChangeLog,
    closing,
    run::Run,
    seats::{Seats, Target},
    spread::{AT_ONCE, spread},
};
use crate::{
    driver::{Cast, Graphql, GraphqlEvent, Http, LinkOptions, Marker, Operation, TokenSource},
    machine::UsageWatch,
    measure::{Board, Counts, Latencies, Promise, wait_until},
    report::{ScenarioOutcome, console},
};

const CONNECTIONS: usize = 500;
const QUICK_CONNECTIONS: usize = 30;

/// Connections of one document.
const PER_DOCUMENT: usize = 10;

/// The longest time until a client is back and has what it missed.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// The pause before a refused client tries again.
const PAUSE: Duration = Duration::from_millis(250);

/// A client, with or without a connection.
#[derive(Clone)]
struct Client {
    target: Target,
    log: Arc<Mutex<ChangeLog>>,
    board: Arc<Board>,
}

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created, or the edits are refused.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let documents = run.options.connections(CONNECTIONS, QUICK_CONNECTIONS).div_ceil(PER_DOCUMENT);
    let seats = Seats::audiences(documents, PER_DOCUMENT, TokenSource::CONNECTIONS_PER_USER);
    let cast = seats.cast(run, "").await?;
    let (board, http) = (Arc::<Board>::default(), run.deployment.http()?);
    let targets = seats.targets(run, &cast);
    let client = |target: &Target| Client {
        target: target.clone(),
        // The owner is the only sender, and has the number of the document.
        log: Arc::new(Mutex::new(ChangeLog::since(
            1,
            target.seat.document..target.seat.document + 1,
        ))),
        board: Arc::clone(&board),
    };
    let clients: Vec<_> = targets.iter().map(client).collect();
    let (start, end) = (Instant::now(), Instant::now() + run.options.measured());
    let usage = UsageWatch::start(run.deployment.processes(), start, end);
    let (mut latencies, mut retries, mut rounds) = (Latencies::default(), 0, 0);
    let mut connections: Vec<Graphql> = vec![];
    while rounds < 2 || Instant::now() < end {
        drop(std::mem::take(&mut connections));
        edit(&http, &cast, &seats, rounds).await?;
        rounds += 1;
        let began = Instant::now();
        let returning = clients.iter().map(|client| client.clone().come_back(rounds));
        for (connection, tries) in spread(returning, AT_ONCE).await? {
            connections.push(connection);
            retries += tries;
        }
        // The first time, nobody had been there.
        let arrivals = clients.iter().filter_map(|client| client.log.lock().last_arrival());
        for arrival in arrivals.filter(|_| rounds > 1) {
            latencies.record(arrival - began);
        }
        console::progress(&format!(
            "storm: round {rounds}, {:.2} s",
            began.elapsed().as_secs_f64()
        ));
    }

    closing::write(&targets).await?;
    let has_closing = |client: &Client| client.log.lock().has_closing();
    wait_until(BACK_WITHIN, || clients.iter().all(has_closing)).await;
    let mut counts = Counts { sent: rounds * documents as u64, ..Counts::default() };
    for client in &clients {
        counts.add(&client.log.lock().counts(rounds));
    }
    board.count_answers(&mut counts);
    let mut outcome = ScenarioOutcome { usage: usage.end().await, ..ScenarioOutcome::default() };
    outcome.set_size(documents, clients.len());
    outcome.add_series("back again", latencies);
    outcome.add_figure("clients", clients.len() as f64, "");
    outcome.add_figure("storms", (rounds - 1) as f64, "");
    outcome.add_figure("refused attempts", retries as f64, "");
    outcome.failures = counts.failures(Promise::OnceInOrder);
    outcome.notes.extend(board.first_fault());
    outcome.counts = counts;
    Ok(outcome)
}

/// Edits each document once, as its owner.
async fn edit(http: &Http, cast: &Cast, seats: &Seats, round: u64) -> anyhow::Result<()> {
    let owners = seats.0.iter().filter(|seat| seat.sends.is_some());
    let edits = owners.map(|seat| {
        let marker = Marker { sender: seat.document, place: round }.to_string();
        let variables = json!({
            "d": cast.documents[seat.document],
            "b": 1,
            "s": [{ "insert": marker }],
            "m": marker,
        });
        http.run(Some(&cast.users[seat.user].token), Operation::EDIT, variables)
    });
    join_all(edits).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

impl Client {
    /// Connects until it is admitted, and waits until it has this many edits. Returns the connection and how often it was
    /// refused.
    async fn come_back(self, edits: u64) -> anyhow::Result<(Graphql, u64)> {
        let mut refused = 0;
        let connecting = async {
            loop {
                match self.connect().await {
                    Ok(connection) => return connection,
                    Err(error) => {
                        refused += 1;
                        self.board.note(&format!("{error:#}"));
                        sleep(PAUSE).await;
                    }
                }
            }
        };
        let Ok(connection) = timeout(BACK_WITHIN, connecting).await else {
            let fault = self.board.first_fault().unwrap_or_default();
            bail!("a client was not admitted in {BACK_WITHIN:?}; {fault}");
        };
        if !wait_until(BACK_WITHIN, || self.log.lock().count() >= edits).await {
            bail!(
                "a client of document {} has not received what it missed in {BACK_WITHIN:?}",
                self.target.document
            );
        }
        Ok((connection, refused))
    }

    async fn connect(&self) -> anyhow::Result<Graphql> {
        let (log, board) = (Arc::clone(&self.log), Arc::clone(&self.board));
        let events = move |event: GraphqlEvent<'_>| log.lock().take(&board, event);
        let (Target { address, token, document, .. }, options) =
            (&self.target, LinkOptions::default());
        let connection = Graphql::connect(address, token, options, events).await?;
        let variables = format!(r#"{{"d":"{document}","v":{}}}"#, self.log.lock().version());
        connection.subscribe("changes", Operation::CHANGES, &variables);
        Ok(connection)
    }
}
