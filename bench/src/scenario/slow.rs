//! `slow`: some of the listeners of a document stop reading while its text is replaced all the time.
//!
//! The others must not notice. When the stalled ones read on, they must receive every change, in order. A server closes a
//! connection that accepts nothing for `session.stall_allowed`, so keep the load shorter than that.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{
    change_log::ChangeLog,
    closing,
    load::Load,
    run::Run,
    seats::{Seats, Target},
    spread::{UNHURRIED, spread},
};
use crate::{
    driver::{Cast, Graphql, GraphqlEvent, LinkOptions, Marker, Operation, TokenSource},
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
    let targets = seats.targets(run, &cast);
    let (fluent, stalled) = targets[1..].split_at(others);
    let fluent = listeners(fluent, &board, LinkOptions::default()).await?;
    let small = LinkOptions { receive_buffer: Some(SMALL_BUFFER) };
    let stalled = listeners(stalled, &unmeasured, small).await?;
    stalled.iter().for_each(|listener| listener.connection.stop_reading());

    let author = author(&targets[0], &board).await?;
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
    closing::write(&targets).await?;
    let have_closing =
        |listeners: &[Listener]| listeners.iter().all(|listener| listener.log.lock().has_closing());
    wait_until(PATIENCE, || have_closing(&fluent) && have_closing(&stalled)).await;

    let mut counts = Counts { sent: schedule.events(), ..Counts::default() };
    for listener in fluent.iter().chain(&stalled) {
        counts.add(&listener.log.lock().counts(edits));
    }
    board.count_answers(&mut counts);
    unmeasured.count_answers(&mut counts);
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
    targets: &[Target],
    board: &Arc<Board>,
    options: LinkOptions,
) -> anyhow::Result<Vec<Listener>> {
    let listeners =
        targets.iter().cloned().map(|target| listen(target, Arc::clone(board), options));
    spread(listeners, UNHURRIED).await.context("a listener could not connect")
}

async fn listen(
    target: Target,
    board: Arc<Board>,
    options: LinkOptions,
) -> anyhow::Result<Listener> {
    let log = Arc::new(Mutex::new(ChangeLog::since(1, 0..1)));
    let shared = Arc::clone(&log);
    let events = move |event: GraphqlEvent<'_>| shared.lock().take(&board, event);
    let connection = Graphql::connect(&target.address, &target.token, options, events).await?;
    let variables = format!(r#"{{"d":"{}","v":1}}"#, target.document);
    connection.subscribe("changes", Operation::CHANGES, &variables);
    Ok(Listener { connection, log })
}

async fn author(target: &Target, board: &Arc<Board>) -> anyhow::Result<Graphql> {
    let board = Arc::clone(board);
    let events = move |event: GraphqlEvent<'_>| {
        if let GraphqlEvent::Closed(reason) = event {
            board.note(&reason);
        }
    };
    Graphql::connect(&target.address, &target.token, LinkOptions::default(), events).await
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
                    board.answered(event, Some(0), None);
                }
                Err(error) => {
                    board.answered(event, Some(0), Some(&format!("{error:#}")));
                }
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
