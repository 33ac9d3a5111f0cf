//! Readers who do not keep up: they cost a bounded number of bytes, nobody else waits for them, and they are sent away
//! when they take nothing at all.
//!
//! A client's kernel takes in some bytes by itself and the server's keeps some megabytes, so it takes large events
//! to make a stalled reader felt. They must be felt soon: the server's kernel gives a connection up by itself when
//! nothing arrives for `server.tcp_user_timeout`, and has begun to count long before the outbox fills.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{
        Account, Frame, Handshake, Listens, Opcode, RawSocket, Received, holds_connection, meter,
        seats, shared_document, until, until_meter,
    },
};

/// The smallest outbox there is, and no limit that would get in the way.
const SMALL_OUTBOX: &[(&str, &str)] = &[
    ("COSCRIBE__OUTBOX__BOUND", "65536"),
    ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1000"),
    ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
    ("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "10000"),
    ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
];
const BOUND: u64 = 65_536;

/// The length of a text that is written again and again, in bytes.
const TEXT: usize = 16_000;

/// Takes nothing from its socket beyond what its kernel takes by itself.
async fn stalled(node: &TestNode, account: &Account) -> RawSocket {
    let mut socket = Handshake::to(node).receive_buffer(4_096).open().await;
    socket.init(&account.token).await;
    socket
}

/// How often a text stands in a heavy event or answer, and how large that is at most.
const COPIES: usize = 16;
const HEAVY: u64 = (COPIES * (TEXT + 20) + 500) as u64;

fn copies() -> String {
    (0..COPIES).map(|n| format!("c{n}: content ")).collect()
}

/// Every change, with its text many times over.
fn heavy(document: &str) -> String {
    let copies = copies();
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version {copies} }} }}")
}

fn versions(document: &str) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version }} }}")
}

fn texts(document: &str) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version content }} }}")
}

fn cursors(document: &str) -> String {
    format!(
        "subscription {{ cursorMoved(documentId: \"{document}\") {{ sessionId cursor {{ line }} }} }}"
    )
}

fn presence(document: &str) -> String {
    format!(
        "subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind presence {{ sessionId }} }} }}"
    )
}

/// Writes a text of its own and gives the version that it became.
async fn write(author: &mut RawSocket, document: &str, round: usize) -> u64 {
    let write = "mutation($document: ID!, $text: String!) {
        updateDocument(id: $document, content: $text) { version }
    }";
    let text = format!("{round:08}").repeat(TEXT / 8);
    let id = format!("w{round}");
    let stored = author.run(&id, write, json!({ "document": document, "text": text })).await;
    stored["data"]["updateDocument"]["version"].as_u64().unwrap()
}

/// Moves the cursor of a session that has the document open.
async fn step(mover: &mut RawSocket, document: &str, line: usize) {
    let step = "mutation($document: ID!, $line: Int!) {
        updateCursor(documentId: $document, cursor: { line: $line, column: 0 })
    }";
    let id = format!("s{line}");
    let moved = mover.run(&id, step, json!({ "document": document, "line": line })).await;
    assert_eq!(moved, json!({ "data": { "updateCursor": true } }));
}

/// The next message that is no answer to the reader itself.
async fn next_event(socket: &mut RawSocket) -> Value {
    loop {
        let message = socket.hear().await;
        if message["type"] != "pong" {
            return message;
        }
    }
}

#[actix_web::test]
async fn a_stalled_reader_among_a_hundred_holds_nobody_up_and_gets_everything_when_it_reads_on() {
    const LISTENERS: usize = 99;
    const CHANGES: usize = 60;
    const MOVES: usize = 50;
    let node = TestNode::start_with(SMALL_OUTBOX).await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let document = shared_document(&node, &alice, &[&bob]).await;
    let mut listeners = Vec::new();
    for place in 0..LISTENERS {
        let mut listener = RawSocket::admitted(&node, &alice).await;
        // One in ten wants every text; all want every version and every cursor.
        let changes = if place % 10 == 0 { texts(&document) } else { versions(&document) };
        listener.ask("changes", &changes).await;
        listener.ask("cursors", &cursors(&document)).await;
        listeners.push(listener);
    }
    let mut stalled = stalled(&node, &bob).await;
    stalled.ask("changes", &heavy(&document)).await;
    stalled.ask("cursors", &cursors(&document)).await;
    let mut author = RawSocket::admitted(&node, &bob).await;
    // It only moves its own cursor, which it is not told of.
    author.ask("open", &cursors(&document)).await;
    until("all seats", async || seats(&node).await == 2 * (LISTENERS as u64 + 1) + 1).await;
    let most = AtomicU64::new(0);

    let writing = async {
        let mut moves = 0;
        for round in 0..CHANGES {
            write(&mut author, &document, round).await;
            if moves < MOVES {
                step(&mut author, &document, moves).await;
                moves += 1;
            }
            let waits = meter(&node, "coscribe_outbox_bytes").await;
            most.fetch_max(waits, Ordering::Relaxed);
        }
    };
    let reading =
        futures_util::future::join_all(listeners.iter_mut().map(hear_everything::<CHANGES, MOVES>));
    futures_util::future::join(writing, reading).await;

    // Nobody else has anything left to read, so what waits is the stalled reader's alone.
    assert!(meter(&node, "coscribe_outbox_bytes").await <= BOUND + HEAVY);
    let of_the_others = LISTENERS as u64 * (TEXT as u64 + 500);
    assert!(most.load(Ordering::Relaxed) <= BOUND + HEAVY + of_the_others, "{most:?}");
    assert_eq!(meter(&node, "coscribe_seats_behind").await, 1);
    assert_eq!(meter(&node, "coscribe_outbox_bound_reached_total").await, 1);

    // It reads on: every change without a gap, and the last cursor.
    let (mut version, mut line) = (1, None);
    while version < 1 + CHANGES as u64 || line != Some(MOVES as u64 - 1) {
        let message = next_event(&mut stalled).await;
        match (message["type"].as_str().unwrap(), message["id"].as_str().unwrap()) {
            ("next", "changes") => {
                let change = &message["payload"]["data"]["documentChanged"];
                version += 1;
                assert_eq!(change["version"], version);
                let text = format!("{:08}", version - 2);
                assert!(change["c15"].as_str().unwrap().starts_with(&text));
            }
            ("next", "cursors") => {
                let moved = &message["payload"]["data"]["cursorMoved"]["cursor"]["line"];
                assert!(moved.as_u64() > line);
                line = moved.as_u64();
            }
            _ => panic!("{message}"),
        }
    }
    // And it is told of what happens from now on.
    until_meter(&node, "coscribe_seats_behind", 0).await;
    let written = write(&mut author, &document, CHANGES).await;
    assert_eq!(stalled.told("changes").await["documentChanged"]["version"], json!(written));

    drop((listeners, stalled, author));
    node.stop().await;
}

/// Every version, without a gap, and every move of somebody who waits for each to be answered.
async fn hear_everything<const CHANGES: usize, const MOVES: usize>(listener: &mut RawSocket) {
    let (mut changes, mut last_line, mut version) = (0, None, None);
    while changes < CHANGES || last_line != Some(MOVES as u64 - 1) {
        let message = listener.hear().await;
        assert_eq!(message["type"], "next", "{message}");
        let data = &message["payload"]["data"];
        if message["id"] == "changes" {
            let next = data["documentChanged"]["version"].as_u64();
            assert!(version.is_none() || next == version.map(|version: u64| version + 1));
            version = next;
            changes += 1;
        } else {
            let line = data["cursorMoved"]["cursor"]["line"].as_u64();
            assert!(line > last_line);
            last_line = line;
        }
    }
}

/// A node on which a silent or stalled session is closed soon, and its connection broken by the kernel soon after.
async fn impatient_node(variables: &[(&str, &str)]) -> TestNode {
    let quick = [
        ("COSCRIBE__SESSION__PING_EVERY", "500ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "1s"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "1s"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "2s"),
    ];
    TestNode::start_with(&[SMALL_OUTBOX, &quick, variables].concat()).await
}

#[actix_web::test]
async fn a_reader_that_takes_nothing_is_sent_away_and_everything_of_it_goes() {
    let node = impatient_node(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")]).await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let document = shared_document(&node, &alice, &[&bob]).await;
    let mut author = RawSocket::admitted(&node, &alice).await;
    author.listen(&node, "p", &presence(&document)).await;
    let mut stalled = stalled(&node, &bob).await;
    stalled.ask("changes", &heavy(&document)).await;
    stalled.ask("cursors", &cursors(&document)).await;
    assert_eq!(author.told("p").await["presenceUpdated"]["kind"], "JOINED");
    until("all seats", async || seats(&node).await == 3).await;

    // So much that neither kernel takes it. Whoever leaves is told to Alice between her own answers.
    let mut left = false;
    for round in 0.. {
        // It is not silent. It does not read.
        stalled.send(Frame::new(Opcode::Pong, [])).await;
        let text = format!("{round:08}").repeat(TEXT / 8);
        let write = format!(
            "mutation {{ updateDocument(id: \"{document}\", content: \"{text}\") {{ version }}
             updateCursor(documentId: \"{document}\", cursor: {{ line: {round}, column: 0 }}) }}"
        );
        author.ask("w", &write).await;
        loop {
            let message = author.hear().await;
            match message["id"].as_str() {
                Some("p") => {
                    left |= message["payload"]["data"]["presenceUpdated"]["kind"] == "LEFT";
                }
                _ if message["type"] == "complete" => break,
                _ => {}
            }
        }
        if left {
            break;
        }
    }
    until_meter(&node, "coscribe_session_closes_total{reason=\"too_slow\"}", 1).await;
    assert_eq!(seats(&node).await, 1);
    // Its place is free.
    drop((author, RawSocket::admitted(&node, &bob).await));
    until_meter(&node, "coscribe_outbox_bytes", 0).await;
    until_meter(&node, "active_websocket_connections", 0).await;
    // The kernel gives the connection up as well.
    let address = stalled.address();
    until("the end of the connection", async || !holds_connection(node.address(), address)).await;

    drop(stalled);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_only_asks_is_not_read_any_more_and_sent_away() {
    const IN_FLIGHT: u64 = 8;
    const REFUSALS: u64 = 256 << 10;
    const TAKEN_BY_KERNELS: u64 = 32 << 20;
    let node = impatient_node(&[("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "8")]).await;
    let alice = Account::new(&node, "alice").await;
    let document = shared_document(&node, &alice, &[]).await;
    write(&mut RawSocket::admitted(&node, &alice).await, &document, 0).await;
    let greedy = stalled(&node, &alice).await;
    let payload =
        json!({ "query": format!("{{ document(id: \"{document}\") {{ {} }} }}", copies()) });
    let query = move |number: u64| {
        let id = number.to_string();
        Frame::text(&json!({ "type": "subscribe", "id": id, "payload": payload }).to_string())
    };

    let sent = greedy.keep_sending(query);
    let most = AtomicU64::new(0);
    until("the end of the greedy session", async || {
        most.fetch_max(meter(&node, "coscribe_outbox_bytes").await, Ordering::Relaxed);
        meter(&node, "coscribe_session_closes_total{reason=\"too_slow\"}").await == 1
    })
    .await;

    // What one reading of the socket brings is still answered: as many as may be in flight, the others by a refusal.
    let in_flight = IN_FLIGHT * HEAVY;
    assert!(most.load(Ordering::Relaxed) <= BOUND + in_flight + REFUSALS, "{most:?}");
    assert!(sent.load(Ordering::Relaxed) < TAKEN_BY_KERNELS, "{sent:?}");
    until_meter(&node, "coscribe_outbox_bytes", 0).await;

    node.stop().await;
}

#[actix_web::test]
async fn a_slow_reader_gets_the_last_cursor_of_each_when_it_reads_on() {
    const MOVERS: usize = 10;
    const STEPS: usize = 100;
    let node = TestNode::start_with(SMALL_OUTBOX).await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let document = shared_document(&node, &alice, &[&bob]).await;
    let filler = shared_document(&node, &alice, &[&bob]).await;
    let mut movers = Vec::new();
    for _ in 0..MOVERS {
        let mut mover = RawSocket::admitted(&node, &alice).await;
        mover.listen(&node, "p", &presence(&document)).await;
        movers.push(mover);
    }
    let mut slow = stalled(&node, &bob).await;
    slow.ask("filler", &texts(&filler)).await;
    slow.ask("cursors", &cursors(&document)).await;
    until("all seats", async || seats(&node).await == MOVERS as u64 + 2).await;
    // Until the kernels take no more: then the rest of the texts waits in the log.
    let mut author = RawSocket::admitted(&node, &alice).await;
    let mut round = 0;
    while meter(&node, "coscribe_seats_behind").await == 0 {
        write(&mut author, &filler, round).await;
        round += 1;
    }

    let deliveries = "coscribe_deliveries_total{topic=\"cursors\"}";
    for step_number in 0..STEPS {
        for mover in &mut movers {
            steps(mover, &document, step_number).await;
        }
    }
    until_meter(&node, deliveries, (MOVERS * STEPS) as u64).await;
    assert_eq!(meter(&node, "coscribe_cursors_dropped_total").await, 0);
    // One frame for each mover waits, not one for each step.
    assert!(meter(&node, "coscribe_outbox_bytes").await < MOVERS as u64 * 1_000 + BOUND);

    let (mut last, mut told, mut version) = (HashMap::new(), 0, 1);
    while last.len() < MOVERS
        || last.values().any(|line| *line != STEPS as u64 - 1)
        || version != 1 + round as u64
    {
        let message = next_event(&mut slow).await;
        if message["id"] == "filler" {
            version += 1;
            assert_eq!(message["payload"]["data"]["documentChanged"]["version"], version);
        } else if message["id"] == "cursors" {
            let moved = &message["payload"]["data"]["cursorMoved"];
            let session = moved["sessionId"].as_str().unwrap().to_owned();
            last.insert(session, moved["cursor"]["line"].as_u64().unwrap());
            told += 1;
        }
    }
    assert!(told < MOVERS * STEPS, "{told}");
    slow.lives().await;

    drop((movers, slow, author));
    node.stop().await;
}

/// One step of somebody who also hears who comes and goes.
async fn steps(mover: &mut RawSocket, document: &str, line: usize) {
    let step = format!(
        "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: {line}, column: 0 }}) }}"
    );
    mover.ask("s", &step).await;
    while mover.hear().await != json!({ "type": "complete", "id": "s" }) {}
}

#[actix_web::test]
async fn a_reader_that_pauses_loses_nothing_below_the_bound() {
    const PINGS: usize = 20_000;
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut slow = stalled(&node, &alice).await;
    let ping = |n: usize| {
        Frame::text(&json!({ "type": "ping", "payload": { "n": n } }).to_string()).bytes()
    };

    // More than both kernels and the outbox hold together, while nothing is read: the sending waits for the reading.
    let (mut pings, mut pongs) = (0, 0);
    while pongs < PINGS {
        if pings < PINGS {
            let some: Vec<u8> = (pings..pings + 1_000).flat_map(ping).collect();
            slow.send_bytes(&some).await;
            pings += 1_000;
        }
        if pings == PINGS {
            match slow.receive().await {
                Received::Text(pong) => {
                    let pong: Value = serde_json::from_str(&pong).unwrap();
                    assert_eq!(pong, json!({ "type": "pong", "payload": { "n": pongs } }));
                    pongs += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    drop(slow);
    node.stop().await;
}
