//! Slow consumers: each costs a bounded number of bytes and delays no other, and one that accepts nothing is closed.
//!
//! The client's kernel buffers a few kilobytes and the server's some megabytes, so only large events make a stalled reader
//! noticeable. They must do so soon: the server's kernel gives a connection up when the client acknowledges nothing for
//! `server.tcp_user_timeout`, and its clock starts long before the outbox is full.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use coscribe::domain::DocumentId;
use futures_util::future::{join, join_all};
use kit::{
    Client as _, Frame, Node as _, Opcode, RawSocket, ServerFrame, TestNode, expect_eventually,
    kernel_holds_connection, largest_kernel_buffers,
};
use serde_json::{Value, json};

/// The smallest outbox, and no other limit that a test reaches.
const SMALL_OUTBOX: &[(&str, &str)] = &[
    ("COSCRIBE__OUTBOX__BOUND", "65536"),
    ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1000"),
    ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
    ("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "10000"),
    ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
];

/// The bound of that outbox, in bytes.
const BOUND: u64 = 65_536;

/// The length of every text, in bytes.
const TEXT: usize = 16_000;

/// How often a heavy event or answer repeats the text, and its largest size in bytes.
const COPIES: usize = 16;
const HEAVY: u64 = (COPIES * (TEXT + 20) + 500) as u64;

fn copies() -> String {
    (0..COPIES).map(|n| format!("c{n}: content ")).collect()
}

/// Subscribes to changes with many copies of the text.
fn heavy(document: DocumentId) -> String {
    let copies = copies();
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version {copies} }} }}")
}

fn versions(document: DocumentId) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version }} }}")
}

fn texts(document: DocumentId) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ version content }} }}")
}

fn cursors(document: DocumentId) -> String {
    format!(
        "subscription {{ cursorMoved(documentId: \"{document}\") {{ sessionId cursor {{ line }} }} }}"
    )
}

fn presence(document: DocumentId) -> String {
    format!(
        "subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind presence {{ sessionId }} }} }}"
    )
}

/// Writes a new text and returns its version.
async fn write(author: &mut RawSocket, document: DocumentId, round: usize) -> u64 {
    let write = "mutation($document: ID!, $text: String!) {
        updateDocument(id: $document, content: $text) { version }
    }";
    let text = format!("{round:08}").repeat(TEXT / 8);
    let id = format!("w{round}");
    let stored = author.run(&id, write, json!({ "document": document, "text": text })).await;
    stored["data"]["updateDocument"]["version"].as_u64().unwrap()
}

/// Moves the cursor of a session that receives nothing else meanwhile.
async fn move_cursor(mover: &mut RawSocket, document: DocumentId, line: usize) {
    let operation = "mutation($document: ID!, $line: Int!) {
        updateCursor(documentId: $document, cursor: { line: $line, column: 0 })
    }";
    let id = format!("m{line}");
    let moved = mover.run(&id, operation, json!({ "document": document, "line": line })).await;
    assert_eq!(moved, json!({ "data": { "updateCursor": true } }));
}

#[actix_web::test]
async fn a_stalled_reader_delays_no_other_and_receives_everything_later() {
    const SUBSCRIBERS: usize = 99;
    const CHANGES: usize = 30;
    const MOVES: usize = 25;
    let node = TestNode::start_with(SMALL_OUTBOX).await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let document = alice.create_shared_document(&[&bob]).await;
    let mut subscribers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let mut subscriber = alice.connect_raw().await;
        // One in ten subscribes to texts, the others to versions only. All subscribe to cursors.
        let changes = if number % 10 == 0 { texts(document) } else { versions(document) };
        subscriber.start("changes", &changes).await;
        subscriber.start("cursors", &cursors(document)).await;
        subscribers.push(subscriber);
    }
    let mut stalled = bob.connect_slow_raw().await;
    stalled.start("changes", &heavy(document)).await;
    stalled.start("cursors", &cursors(document)).await;
    let mut author = bob.connect_raw().await;
    // The author receives no cursors: only its own one moves.
    author.start("open", &cursors(document)).await;
    node.expect_seats(2 * (SUBSCRIBERS as u64 + 1) + 1).await;
    let most = AtomicU64::new(0);

    let writing = async {
        let mut moves = 0;
        for round in 0..CHANGES {
            write(&mut author, document, round).await;
            if moves < MOVES {
                move_cursor(&mut author, document, moves).await;
                moves += 1;
            }
            let queued = node.metric("coscribe_outbox_bytes").await;
            most.fetch_max(queued, Ordering::Relaxed);
        }
    };
    let reading = join_all(subscribers.iter_mut().map(expect_everything::<CHANGES, MOVES>));
    join(writing, reading).await;

    // The others have read everything, so what is queued is for the stalled reader.
    assert!(node.metric("coscribe_outbox_bytes").await <= BOUND + HEAVY);
    let queued_for_others = SUBSCRIBERS as u64 * (TEXT as u64 + 500);
    assert!(most.load(Ordering::Relaxed) <= BOUND + HEAVY + queued_for_others, "{most:?}");
    assert_eq!(node.metric("coscribe_seats_behind").await, 1);
    assert_eq!(node.metric("coscribe_outbox_bound_reached_total").await, 1);

    // It reads again and receives every change without a gap, and the last cursor.
    let (mut version, mut line) = (1, None);
    while version < 1 + CHANGES as u64 || line != Some(MOVES as u64 - 1) {
        let message = stalled.expect_message().await;
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
    // From now on it receives changes as they happen.
    node.expect_metric("coscribe_seats_behind", 0).await;
    let written = write(&mut author, document, CHANGES).await;
    assert_eq!(stalled.expect_next("changes").await["version"], json!(written));

    drop((subscribers, stalled, author));
    node.stop().await;
}

/// Waits for every version without a gap, and for every cursor move: the author awaits the answer to each.
async fn expect_everything<const CHANGES: usize, const MOVES: usize>(subscriber: &mut RawSocket) {
    let (mut changes, mut last_line, mut version) = (0, None, None);
    while changes < CHANGES || last_line != Some(MOVES as u64 - 1) {
        let message = subscriber.expect_message().await;
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

/// A node that soon closes sessions that accept nothing.
async fn impatient_node(variables: &[(&str, &str)]) -> TestNode {
    let quick = [
        ("COSCRIBE__SESSION__PING_EVERY", "500ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "10s"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "3s"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "15s"),
    ];
    TestNode::start_with(&[SMALL_OUTBOX, &quick, variables].concat()).await
}

#[actix_web::test]
async fn a_reader_that_accepts_nothing_is_closed_and_releases_everything() {
    let node = impatient_node(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1")]).await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let document = alice.create_shared_document(&[&bob]).await;
    let mut author = alice.connect_raw().await;
    author.subscribe("p", &presence(document)).await;
    let mut stalled = bob.connect_slow_raw().await;
    stalled.start("changes", &heavy(document)).await;
    stalled.start("cursors", &cursors(document)).await;
    assert_eq!(author.expect_next("p").await["kind"], "JOINED");
    node.expect_seats(3).await;

    // Write more than both kernels buffer. Alice receives the departure between the answers to the operations of that session.
    let mut has_left = false;
    for round in 0.. {
        // The reader is not silent: it sends pongs, but it does not read.
        stalled.send_frame(Frame::new(Opcode::Pong, [])).await;
        let write = "mutation($document: ID!, $text: String!, $line: Int!) {
            updateDocument(id: $document, content: $text) { version }
            updateCursor(documentId: $document, cursor: { line: $line, column: 0 }) }";
        // Four times the usual text, so that a few rounds are enough.
        let text = format!("{round:08}").repeat(TEXT / 2);
        let variables = json!({ "document": document, "text": text, "line": round });
        author.start_with("w", write, variables).await;
        loop {
            let message = author.expect_message().await;
            match message["id"].as_str() {
                Some("p") => {
                    has_left |= message["payload"]["data"]["presenceUpdated"]["kind"] == "LEFT";
                }
                _ if message["type"] == "complete" => break,
                _ => {}
            }
        }
        if has_left {
            break;
        }
    }
    node.expect_metric("coscribe_session_closes_total{reason=\"too_slow\"}", 1).await;
    assert_eq!(node.seats().await, 1);
    // Its slot is free.
    drop((author, bob.connect_raw().await));
    node.expect_metric("coscribe_outbox_bytes", 0).await;
    node.expect_metric("active_websocket_connections", 0).await;
    // The kernel has given the connection up as well.
    let address = stalled.address();
    expect_eventually("the end of the connection", async || {
        !kernel_holds_connection(node.address(), address)
    })
    .await;

    drop(stalled);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_only_sends_is_no_longer_read_and_then_closed() {
    const IN_FLIGHT: u64 = 8;
    const REFUSALS: u64 = 256 << 10;
    const LONGEST_ID: usize = 256;
    let node = impatient_node(&[("COSCRIBE__LIMITS__OPERATIONS_IN_FLIGHT", "8")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_shared_document(&[]).await;
    // The answers that are in flight at once fill the kernel buffers.
    alice.write(document, &"x".repeat(4 * TEXT)).await.value();
    let greedy = alice.connect_slow_raw().await;
    let address = greedy.address();
    let operation = format!("{{ document(id: \"{document}\") {{ {} }} }}", copies());
    let payload = json!({ "query": operation });
    // Every answer repeats the id. With a long one, even a refusal has at least half the bytes of its operation.
    let query = move |number: u64| {
        let id = format!("{number:0LONGEST_ID$}");
        Frame::text(&json!({ "type": "subscribe", "id": id, "payload": payload }).to_string())
    };

    let sent = greedy.keep_sending(query);
    let most = AtomicU64::new(0);
    expect_eventually("the end of the greedy session", async || {
        most.fetch_max(node.metric("coscribe_outbox_bytes").await, Ordering::Relaxed);
        node.metric("coscribe_session_closes_total{reason=\"too_slow\"}").await == 1
    })
    .await;

    // One read of the socket may return many operations. Those within the limit are answered, the others refused.
    let in_flight = IN_FLIGHT * 4 * HEAVY;
    let outbox = BOUND + in_flight + REFUSALS;
    assert!(most.load(Ordering::Relaxed) <= outbox, "{most:?}");
    // The kernel holds what the node did not read. The answers to the rest are in the outbox and in the kernel as well.
    let answers = outbox + largest_kernel_buffers();
    let unread = largest_kernel_buffers();
    assert!(sent.load(Ordering::Relaxed) < unread + 2 * answers, "{sent:?}");
    node.expect_metric("coscribe_outbox_bytes", 0).await;
    // The kernel does not break the connection of a client that still sends.
    expect_eventually("the end of the connection", async || {
        !kernel_holds_connection(node.address(), address)
    })
    .await;

    node.stop().await;
}

#[actix_web::test]
async fn a_slow_reader_receives_the_last_cursor_of_each_session() {
    const MOVERS: usize = 10;
    const STEPS: usize = 30;
    let node = TestNode::start_with(SMALL_OUTBOX).await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let document = alice.create_shared_document(&[&bob]).await;
    let filler = alice.create_shared_document(&[&bob]).await;
    let mut movers = Vec::new();
    for _ in 0..MOVERS {
        let mut mover = alice.connect_raw().await;
        mover.subscribe("p", &presence(document)).await;
        movers.push(mover);
    }
    let mut slow = bob.connect_slow_raw().await;
    // An event of almost the bound.
    let copies = "version a: content b: content c: content d: content";
    let fill =
        format!("subscription {{ documentChanged(documentId: \"{filler}\") {{ {copies} }} }}");
    slow.start("filler", &fill).await;
    slow.start("cursors", &cursors(document)).await;
    node.expect_seats(MOVERS as u64 + 2).await;
    // Fill the kernel buffers: the remaining texts stay in the change log.
    let mut author = alice.connect_raw().await;
    let mut round = 0;
    while node.metric("coscribe_seats_behind").await == 0 {
        write(&mut author, filler, round).await;
        round += 1;
    }

    let deliveries = "coscribe_deliveries_total{topic=\"cursors\"}";
    for line in 0..STEPS {
        for mover in &mut movers {
            move_cursor_among_events(mover, document, line).await;
        }
    }
    node.expect_metric(deliveries, (MOVERS * STEPS) as u64).await;
    assert_eq!(node.metric("coscribe_cursors_dropped_total").await, 0);
    // One frame is queued for each mover, not one for each move.
    assert!(node.metric("coscribe_outbox_bytes").await < MOVERS as u64 * 1_000 + BOUND);

    let (mut last, mut received, mut version) = (HashMap::new(), 0, 1);
    while last.len() < MOVERS
        || last.values().any(|line| *line != STEPS as u64 - 1)
        || version != 1 + round as u64
    {
        let message = slow.expect_message().await;
        if message["id"] == "filler" {
            version += 1;
            assert_eq!(message["payload"]["data"]["documentChanged"]["version"], version);
        } else if message["id"] == "cursors" {
            let moved = &message["payload"]["data"]["cursorMoved"];
            let session = moved["sessionId"].as_str().unwrap().to_owned();
            last.insert(session, moved["cursor"]["line"].as_u64().unwrap());
            received += 1;
        }
    }
    assert!(received < MOVERS * STEPS, "{received}");
    slow.expect_alive().await;

    drop((movers, slow, author));
    node.stop().await;
}

/// Moves the cursor of a session that also receives presence events.
async fn move_cursor_among_events(mover: &mut RawSocket, document: DocumentId, line: usize) {
    let operation = format!(
        "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: {line}, column: 0 }}) }}"
    );
    mover.start("m", &operation).await;
    while mover.expect_message().await != json!({ "type": "complete", "id": "m" }) {}
}

#[actix_web::test]
async fn a_reader_that_pauses_loses_no_reply() {
    const PINGS: usize = 20_000;
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut slow = alice.connect_slow_raw().await;
    let ping = |n: usize| {
        Frame::text(&json!({ "type": "ping", "payload": { "n": n } }).to_string()).bytes()
    };

    // The client sends everything before it reads. What the kernels do not hold waits in the outbox.
    let (mut pings, mut pongs) = (0, 0);
    while pongs < PINGS {
        if pings < PINGS {
            let bytes: Vec<u8> = (pings..pings + 1_000).flat_map(ping).collect();
            slow.send_bytes(&bytes).await;
            pings += 1_000;
        }
        if pings == PINGS {
            match slow.expect_frame().await {
                ServerFrame::Text(pong) => {
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
