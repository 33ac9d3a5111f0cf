//! A flood of cursors from another node: other documents and `/healthz` are served, and the newest cursor of each mover
//! arrives.

use std::{cell::Cell, collections::HashMap, rc::Rc, sync::Arc};

use chrono::Utc;
use coscribe::{
    domain::{Color, Cursor, CursorMove, NodeId, Position, User},
    redis::RelaySigner,
    wire::envelope::{Envelope, NEWEST_VERSION, SerialSeries},
};
use kit::{Client as _, HttpReply, Node as _, Pair, Person, Tab, TestNode, http_client, within};
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Duration, Instant, interval},
};

use crate::relay::{connect_to_redis, expect_listeners, signer_of};

/// The number of people who move their cursors on the other node.
const MOVERS: usize = 40;

/// The number of cursors in each burst. There are a hundred bursts in a second.
const BURST: usize = 200;

/// How long each part of the measurement takes.
const PART: Duration = Duration::from_secs(2);

/// The line of the last cursor of each mover.
const LAST_LINE: i32 = 1_000_000;

/// Publishes the cursors of movers as another node would.
struct Flood {
    movers: Vec<CursorMove>,
    channel: String,
    connection: coscribe::redis::Connection,
    from: NodeId,
    signer: RelaySigner,
}

impl Flood {
    async fn new(pair: &Pair, tabs: &[Tab]) -> Self {
        let (connection, keys) = connect_to_redis(&pair.node).await;
        let user = User { id: pair.bob.id, name: "Bob".into() };
        let mover = |tab: &Tab| CursorMove {
            document: pair.document,
            session: tab.session(),
            color: Color::of(pair.document, user.id),
            user: user.clone(),
            cursor: at_line(0),
            at: Utc::now(),
        };
        let movers = tabs.iter().map(mover).collect();
        let (channel, from) = (keys.document(pair.document), NodeId::new());
        Self { movers, channel, connection, from, signer: signer_of(&pair.node) }
    }

    async fn publish(&mut self, lines: impl Iterator<Item = (usize, i32)>) {
        let envelopes: Vec<Vec<u8>> = lines
            .map(|(mover, line)| {
                let moved = CursorMove { cursor: at_line(line), ..self.movers[mover].clone() };
                let envelope =
                    Envelope::CursorMoved(Arc::new(moved)).encode(self.from, NEWEST_VERSION);
                self.signer.sign(SerialSeries::Relay, &self.channel, &envelope)
            })
            .collect();
        let messages: Vec<(&str, &[u8])> =
            envelopes.iter().map(|bytes| (self.channel.as_str(), bytes.as_slice())).collect();
        self.connection.publish(&messages).await.unwrap();
    }

    /// Publishes bursts until `stop`, then a last cursor of each mover.
    fn run(mut self, stop: Rc<Cell<bool>>) -> JoinHandle<usize> {
        tokio::task::spawn_local(async move {
            let mut ticks = interval(Duration::from_millis(10));
            let mut published = 0;
            while !stop.get() {
                ticks.tick().await;
                let first = published;
                let line = |number: usize| i32::try_from(number % 1_000).unwrap();
                self.publish((first..first + BURST).map(|n| (n % MOVERS, line(n)))).await;
                published += BURST;
            }
            self.publish((0..MOVERS).map(|mover| (mover, LAST_LINE))).await;
            published
        })
    }
}

fn at_line(line: i32) -> Cursor {
    Cursor { head: Position::new(line, 0).unwrap(), anchor: None }
}

/// How long edits of another document and `/healthz` take, one after the other: the 99th of 100.
async fn measure(node: &TestNode, person: &Person) -> (Duration, Duration) {
    let document = person.create_document("Other", "text").await;
    let (mut edits, mut health) = (Vec::new(), Vec::new());
    let end = Instant::now() + PART;
    while Instant::now() < end {
        let began = Instant::now();
        person.insert(document, "x").await;
        edits.push(began.elapsed());
        let began = Instant::now();
        let reply = HttpReply::to(http_client().get(node.url("/healthz"))).await;
        assert_eq!(reply.status, 200);
        health.push(began.elapsed());
    }
    let p99 = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() * 99 / 100]
    };
    (p99(edits), p99(health))
}

#[actix_web::test]
async fn a_flood_of_cursors_delays_no_other_document() {
    let pair = Pair::start_with(&[
        ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1000"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
    ])
    .await;
    let peer = pair.node.start_peer().await;
    let watching = pair.alice.open(pair.document).await;
    let bob = pair.bob.at(&peer);
    let mut movers = Vec::new();
    for _ in 0..MOVERS {
        movers.push(bob.open(pair.document).await);
    }
    for _ in 0..MOVERS {
        watching.expect_joined(&pair.bob).await;
    }

    expect_listeners(&pair.node, pair.document, 2).await;
    let quiet = measure(&pair.node, &pair.alice).await;
    let stop = Rc::new(Cell::new(false));
    let flood = Flood::new(&pair, &movers).await.run(Rc::clone(&stop));
    let flooded = measure(&pair.node, &pair.alice).await;
    stop.set(true);
    let published = flood.await.unwrap();

    println!(
        "{published} cursors in {PART:?}: p99 of edits {:?} instead of {:?}, of /healthz {:?} instead of {:?}",
        flooded.0, quiet.0, flooded.1, quiet.1
    );
    // Before cursors waited in front of the mailbox, half a minute.
    assert!(flooded.0 < Duration::from_secs(10) && flooded.1 < Duration::from_secs(10));
    let mut last = HashMap::new();
    let all_last = async {
        while last.len() < MOVERS || last.values().any(|line| *line != json!(LAST_LINE)) {
            let moved = watching.expect_cursor().await;
            last.insert(moved["sessionId"].to_string(), moved["cursor"]["line"].clone());
        }
    };
    within("the last cursor of each mover", all_last).await;
    drop(movers);
    pair.stop_with(peer, watching).await;
}
