//! `join`: users open documents at a fixed rate, over GraphQL and as Yjs editors in turn.
//!
//! A document is open when its whole text has arrived: with the connection, the authentication and the subscription, or with the
//! sync steps.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinSet, time::timeout};
use yrs::{Doc, GetString as _, Transact as _, Update, updates::decoder::Decode as _};

use super::{load::Load, run::Run, seats::Seats};
use crate::{
    driver::{
        Address, Editor, EditorEvent, Graphql, GraphqlEvent, LinkOptions, Operation, TokenSource,
    },
    measure::{Board, Counts, Latencies, Promise},
    report::ScenarioOutcome,
};

const DOCUMENTS: usize = 50;
const QUICK_DOCUMENTS: usize = 6;

/// Users of each document, if accounts are free. Each may have ten connections.
const USERS: usize = 4;

/// Joins per second.
const RATE: f64 = 50.0;
const QUICK_RATE: f64 = 10.0;

/// The text of each document, in characters.
const TEXT_LENGTH: usize = 10_000;

/// The longest time until a document is open.
const PATIENCE: Duration = Duration::from_secs(60);

/// A join that is due.
struct Join {
    address: Address,
    token: String,
    document: String,
    text: Arc<str>,
}

/// Runs the scenario.
///
/// # Errors
/// The users or documents cannot be created.
pub(crate) async fn run(run: &Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    let options = run.options;
    let documents = options.documents(DOCUMENTS, QUICK_DOCUMENTS);
    let per_document = match run.deployment.tokens {
        TokenSource::Minted(_) => USERS,
        TokenSource::Registered => 1,
    };
    let text: Arc<str> = "0123456789".repeat(TEXT_LENGTH / 10).into();
    let cast = Seats::audiences(documents, per_document, 1).cast(run, &text).await?;
    let board = Arc::<Board>::default();
    let load = Load::begin(run, &board, 1, options.rate(RATE, QUICK_RATE));
    let schedule = load.schedule;
    let latencies =
        [Latencies::default(), Latencies::default()].map(|one| Arc::new(Mutex::new(one)));

    let (mut joins, mut failed) = (JoinSet::new(), 0);
    let work = async {
        schedule
            .drive(|event| {
                board.sending(event);
                let number = event as usize;
                let (document, round) = (number % documents, number / documents);
                let user = document * per_document + round % per_document;
                let join = Join {
                    address: run.deployment.address(number).clone(),
                    token: cast.users[user].token.clone(),
                    document: cast.documents[document].clone(),
                    text: Arc::clone(&text),
                };
                let protocol = (document + round) % 2;
                let (latencies, board) = (Arc::clone(&latencies[protocol]), Arc::clone(&board));
                joins.spawn(async move {
                    let opened =
                        if protocol == 0 { join.graphql().await } else { join.yjs().await };
                    match &opened {
                        Ok(at) if schedule.is_measured(event) => {
                            latencies.lock().record(*at - schedule.due(event));
                        }
                        Ok(_) => {}
                        Err(error) => board.note(&format!("{error:#}")),
                    }
                    if let Ok(at) = &opened {
                        board.arrived(*at);
                    }
                    opened.is_ok()
                });
            })
            .await;
        while let Some(joined) = joins.join_next().await {
            failed += u64::from(!joined.unwrap_or(false));
        }
    };
    load.drive(work).await;

    let events = schedule.events();
    let counts = Counts {
        sent: events,
        expected: events,
        delivered: events - failed,
        lost: failed,
        ..Counts::default()
    };
    let mut outcome = load.end().await;
    outcome.set_size(documents, None);
    let [graphql, yjs] = latencies.map(|one| one.lock().clone());
    let arrived = board.delivered_in_time();
    outcome.add_series("open, GraphQL", graphql);
    outcome.add_series("open, Yjs", yjs);
    outcome.add_figure("joins per second", arrived as f64 / schedule.measured_seconds(), "/s");
    outcome.add_server_time("join", arrived);
    outcome.failures = counts.failures(Promise::Once);
    outcome.counts = counts;
    Ok(outcome)
}

impl Join {
    /// Opens the document and returns when its text was there.
    async fn graphql(&self) -> anyhow::Result<tokio::time::Instant> {
        let (tx, rx) = oneshot::channel();
        let mut tx = Some(tx);
        let events = move |event: GraphqlEvent<'_>| {
            let result = match event {
                GraphqlEvent::Event { response, .. } => Ok(response.to_owned()),
                GraphqlEvent::Ended(errors) => Err(errors.to_owned()),
                GraphqlEvent::Closed(reason) => Err(reason),
                GraphqlEvent::Answer { .. } => return,
            };
            if let Some(tx) = tx.take() {
                // Nobody waits any more if the time was over.
                let _sent = tx.send((tokio::time::Instant::now(), result));
            }
        };
        let options = LinkOptions::default();
        let connection = Graphql::connect(&self.address, &self.token, options, events).await?;
        let variables = format!(r#"{{"d":"{}"}}"#, self.document);
        connection.subscribe("opened", Operation::OPENED, &variables);
        let (at, response) = timeout(PATIENCE, rx).await.context("the text does not come")??;
        let response: Value = serde_json::from_str(&response.map_err(anyhow::Error::msg)?)?;
        let content = response["data"]["documentChanged"]["content"].as_str();
        ensure!(content == Some(&*self.text), "the text is wrong");
        Ok(at)
    }

    /// Opens the document in an editor and returns when its text was there.
    async fn yjs(&self) -> anyhow::Result<tokio::time::Instant> {
        let (tx, rx) = oneshot::channel();
        let mut tx = Some(tx);
        let events = move |event: EditorEvent<'_>| {
            let result = match event {
                EditorEvent::Synced(update) => Ok(update.to_vec()),
                EditorEvent::Closed(reason) => Err(reason),
                _ => return,
            };
            if let Some(tx) = tx.take() {
                // As above.
                let _sent = tx.send((tokio::time::Instant::now(), result));
            }
        };
        let opening = Editor::connect(&self.address, &self.token, &self.document, false, events);
        let _editor = opening.await?;
        let (at, update) = timeout(PATIENCE, rx).await.context("the text does not come")??;
        let doc = Doc::new();
        let update = Update::decode_v1(&update.map_err(anyhow::Error::msg)?)?;
        doc.transact_mut().apply_update(update)?;
        let content = doc.get_or_insert_text("content").get_string(&doc.transact());
        ensure!(content == *self.text, "the text is wrong");
        Ok(at)
    }
}
