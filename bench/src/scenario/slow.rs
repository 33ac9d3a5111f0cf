//! `slow`: some of the listeners of a document stop reading while its text is replaced all the time.
//!
//! The others must not notice. When the stalled ones read on, they must receive every change, in order. A server closes a
//! connection that accepts nothing for `session.stall_allowed`, so keep the load shorter than that.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{change_log::ChangeLog, load::Load, run::Run, seats::Seats};
use crate::{
    driver::{Cast, Graphql, LinkOptions, Marker, Operation, TokenSource},
    measure::{Board, Counts, Promise, wait_until},
    report::ScenarioOutcome,
    schedule::Schedule,
};

const LISTENERS: usize = 20;
const QUICK_LISTENERS: usize = 4;
const STALLED: usize = 50;
const QUICK_STALLED: usize = 4;

/// Changes per second.
const RATE: f64 = 40.0;
const QUICK_RATE: f64 = 20.0;

/// The text, in characters.
const TEXT_LENGTH: usize = 16_000;

/// The receive buffer of stalled connections, in bytes, so that the server notices soon.
const SMALL_BUFFER: u32 = 16 * 1024;

/// The longest wait for what should have arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that are made at the same time.
const AT_ONCE: usize = 32;

struct Listener {
    connection: Graphql,
    log: Arc<Mutex<ChangeLog>>,
}

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created or connected.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let options = run.options;
    let others = if options.quick { QUICK_LISTENERS } else { LISTENERS };
    let stalled = options.connections(STALLED, QUICK_STALLED);
    let seats = Seats::audiences(1, 1 + others + stalled, TokenSource::CONNECTIONS_PER_USER);
    let cast = seats.cast(run, "").await?;
    let [board, unmeasured] = [(); 2].map(|()| Arc::<Board>::default());
    let fluent = listeners(run, &cast, &seats, 1..=others, &board).await?;
    let stalled = others + 1..=others + stalled;
    let stalled = listeners(run, &cast, &seats, stalled, &unmeasured).await?;
    stalled.iter().for_each(|listener| listener.connection.stop_reading());

    let author = author(run, &cast, &board).await?;
    let load = Load::begin(run, &board, 1, options.rate(RATE, QUICK_RATE));
    let schedule = load.schedule;
    let edits = load.drive(edit(&author, &cast, &board, &schedule)).await;
    let has_all = |listeners: &[Listener]| {
        listeners.iter().all(|listener| listener.log.lock().count() >= edits)
    };
    wait_until(PATIENCE, || has_all(&fluent)).await;
    let resumed = Instant::now();
    stalled.iter().for_each(|listener| listener.connection.read_on());
    wait_until(PATIENCE, || has_all(&stalled)).await;
    let took = resumed.elapsed();

    let mut counts = Counts { sent: schedule.events(), ..Counts::default() };
    for listener in fluent.iter().chain(&stalled) {
        counts.add(&listener.log.lock().counts(edits));
    }
    counts.refused = board.refused_count() + unmeasured.refused_count();
    let mut outcome = load.end().await;
    outcome.set_size(1, seats.0.len());
    // Without the processor time per delivery: those to the stalled listeners come after the measured part.
    outcome.add_deliveries(&board, &schedule);
    outcome.add_figure("stalled connections", stalled.len() as f64, "");
    outcome.add_figure("time until these had everything", took.as_secs_f64(), "s");
    outcome.notes.extend(unmeasured.first_fault());
    outcome.failures = counts.failures(Promise::OnceInOrder);
    outcome.counts = counts;
    Ok(outcome)
}

/// Connects listeners of all changes.
async fn listeners(
    run: &Run<'_>,
    cast: &Cast,
    seats: &Seats,
    numbers: std::ops::RangeInclusive<usize>,
    board: &Arc<Board>,
) -> anyhow::Result<Vec<Listener>> {
    let listeners = numbers.map(|number| async move {
        let log = Arc::new(Mutex::new(ChangeLog::since(1)));
        let (shared, board) = (Arc::clone(&log), Arc::clone(board));
        let token = &cast.users[seats.0[number].user].token;
        let options = LinkOptions { receive_buffer: Some(SMALL_BUFFER) };
        let connection =
            Graphql::connect(run.deployment.address(0), token, options, move |event| {
                shared.lock().take(&board, event);
            })
            .await?;
        let variables = format!(r#"{{"d":"{}","v":1}}"#, cast.documents[0]);
        connection.subscribe("changes", Operation::CHANGES, &variables);
        Ok::<_, anyhow::Error>(Listener { connection, log })
    });
    stream::iter(listeners.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await
}

async fn author(run: &Run<'_>, cast: &Cast, board: &Arc<Board>) -> anyhow::Result<Graphql> {
    let (board, token) = (Arc::clone(board), &cast.users[0].token);
    let events = move |event: crate::driver::GraphqlEvent<'_>| {
        if let crate::driver::GraphqlEvent::Closed(reason) = event {
            board.note(&reason);
        }
    };
    Graphql::connect(run.deployment.address(0), token, LinkOptions::default(), events).await
}

/// Replaces the text by the schedule, one edit after another. Returns how many were accepted.
async fn edit(author: &Graphql, cast: &Cast, board: &Board, schedule: &Schedule) -> u64 {
    let (tx, mut due) = mpsc::unbounded_channel();
    let clock = async {
        schedule
            .drive(|event| {
                board.sending(event);
                // The receiver lives as long as this.
                let _sent = tx.send(event);
            })
            .await;
        drop(tx);
    };
    let edits = async {
        let (mut version, mut length, mut accepted) = (1, 0, 0);
        while let Some(event) = due.recv().await {
            match replace(author, &cast.documents[0], version, length, event).await {
                Ok((new_version, new_length)) => {
                    (version, length, accepted) = (new_version, new_length, accepted + 1);
                    board.answered(event, None);
                }
                Err(error) => board.answered(event, Some(&format!("{error:#}"))),
            }
        }
        accepted
    };
    // The clock owns the sender, so the edits end after it.
    let ((), accepted) = tokio::join!(clock, edits);
    accepted
}

/// Replaces the text of this version and length. Returns the new version and length.
async fn replace(
    author: &Graphql,
    document: &str,
    version: u64,
    length: usize,
    event: u64,
) -> anyhow::Result<(u64, usize)> {
    let marker = Marker { sender: 0, place: event }.to_string();
    let text = marker.clone() + &"x".repeat(TEXT_LENGTH.saturating_sub(marker.len()));
    let deletion = if length > 0 { format!(r#",{{"delete":{length}}}"#) } else { String::new() };
    let variables = format!(
        r#"{{"d":"{document}","b":{version},"s":[{{"insert":"{text}"}}{deletion}],"m":"{marker}"}}"#
    );
    let response: Value = serde_json::from_str(&author.run(Operation::EDIT, &variables).await?)?;
    let version = response["data"]["editDocument"]["version"].as_u64();
    Ok((version.context("the answer has no version")?, text.len()))
}
