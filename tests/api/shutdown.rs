//! The shutdown of a node: sessions are drained, changes in flight are stored, and slow clients do not delay it.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use coscribe::domain::DocumentId;
use futures_util::future::{join, join_all};
use kit::{
    Client as _, Handshake, Node as _, NodeProcess, Person, RawSocket, TestNode, expect_eventually,
};
use serde_json::Value;
use tokio::{sync::Notify, time::Instant};

use crate::SERVER;

/// The time to stop of a node whose clients do not leave by themselves. Half of it is for draining sessions.
const SHORT: (&str, &str) = ("COSCRIBE__SERVER__DRAIN", "4s");

/// The time to stop of a node whose clients leave when they are asked to.
const LONG: (&str, &str) = ("COSCRIBE__SERVER__DRAIN", "50s");

fn presence(document: DocumentId) -> String {
    format!("subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind }} }}")
}

/// The close frame of a drained session.
fn restarting(seconds: u32) -> (u16, String) {
    (1001, format!("Server is restarting; reconnect in {seconds} s"))
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_err()
}

#[actix_web::test]
async fn sessions_are_drained_one_after_another() {
    let mut node = TestNode::start_with(&[("COSCRIBE__SERVER__DRAIN", "16s")]).await;
    let alice = node.person("Alice").await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(alice.connect_raw().await);
    }

    let start = Instant::now();
    let closed =
        sockets.iter_mut().map(async |socket| (socket.expect_close().await, start.elapsed()));
    let (mut closed, ()) = join(join_all(closed), node.restart()).await;

    // One every two seconds. The later a session closes, the later its client is asked to reconnect.
    closed.sort();
    let frames: Vec<_> = closed.iter().map(|(frame, _)| frame.clone()).collect();
    assert_eq!(frames, [restarting(1), restarting(3), restarting(5), restarting(7)]);
    for (position, (_, after)) in (0..).zip(&closed) {
        assert!(*after >= Duration::from_secs(2) * position, "{closed:?}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_draining_node_refuses_connections_and_announces_departures() {
    // The second session is closed 5 s after the first.
    let mut node = TestNode::start_with(&[("COSCRIBE__SERVER__DRAIN", "20s")]).await;
    let address = node.address();
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut one = alice.connect_raw().await;
    one.subscribe("p", &presence(document)).await;
    let mut other = alice.connect_raw().await;
    other.subscribe("p", &presence(document)).await;
    assert_eq!(one.expect_next("p").await["kind"], "JOINED");

    let clients = async {
        // Either may be the first to close. The other one receives the departure and is still answered.
        let received = join(one.expect_message_or_close(), other.expect_message_or_close()).await;
        let (first_close, event, last) = match received {
            (Ok(event), Err(close)) => (close, event, &mut one),
            (Err(close), Ok(event)) => (close, event, &mut other),
            unexpected => panic!("{unexpected:?}"),
        };
        assert_eq!(first_close, restarting(1));
        assert_eq!(event["payload"]["data"]["presenceUpdated"]["kind"], "LEFT");
        assert!(is_refused(address));
        last.expect_alive().await;
        assert_eq!(last.expect_close().await, restarting(6));
    };
    join(clients, node.restart()).await;

    node.stop().await;
}

#[actix_web::test]
async fn connections_accepted_at_the_last_moment_are_drained_too() {
    // All sessions can be closed in half of this time. A connection that is left is cut off at its end.
    const DRAIN: Duration = Duration::from_secs(20);
    // Refused upgrades count for the address.
    let settings =
        [("COSCRIBE__SERVER__DRAIN", "20s"), ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")];
    let mut node = TestNode::start_with(&settings).await;
    let alice = node.person("Alice").await;
    let first = Notify::new();
    let arrive = async |handshake: Handshake| match handshake.try_send().await {
        Ok(reply) if reply.status == 101 => {
            first.notify_one();
            Some(reply.into_raw_socket().expect_close().await)
        }
        // Too late: no connection, no reply, or a refusal.
        Ok(reply) => {
            assert_eq!(reply.status, 503);
            None
        }
        Err(_) => None,
    };
    // The node checks the token before it accepts the handshake, which takes a moment.
    let handshake = || node.handshake().token_in_address(&alice.token);
    let arriving: Vec<_> = (0..200).map(|_| arrive(handshake())).collect();

    let restart = async {
        first.notified().await;
        let start = Instant::now();
        node.restart().await;
        start.elapsed()
    };
    let (arrived, took) = join(join_all(arriving), restart).await;

    assert!(arrived.iter().flatten().all(|closed| closed.0 == 1001), "{arrived:?}");
    assert!(took < DRAIN, "{took:?}");
    node.stop().await;
}

#[actix_web::test]
async fn a_change_in_flight_is_stored_and_answered() {
    const CHANGES: i64 = 200;
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000"),
        ("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000"),
    ];
    let mut node = TestNode::start_with(&[&[LONG], &limits[..]].concat()).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut socket = alice.connect_raw().await;
    let before = alice.read_version(document).await;

    let changes: String = (0..CHANGES)
        .map(|n| {
            format!("c{n}: updateDocument(id: \"{document}\", title: \"Title {n}\") {{ version }} ")
        })
        .collect();
    socket.start("1", &format!("mutation {{ {changes} }}")).await;
    let has_begun = async || alice.read_version(document).await > before + 2;
    expect_eventually("the first changes", has_begun).await;
    let client = async {
        let response = socket.expect_answer("1").await;
        (response, socket.expect_close().await)
    };
    let ((response, closed), ()) = join(client, node.restart()).await;

    assert_eq!(response["errors"], Value::Null);
    assert_eq!(response["data"].as_object().unwrap().len() as i64, CHANGES);
    assert_eq!(closed, restarting(1));
    assert_eq!(alice.at(&node).read_version(document).await, before + CHANGES);
    node.stop().await;
}

#[actix_web::test]
async fn a_draining_session_starts_no_new_operation() {
    let limits = [("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000")];
    let mut node = TestNode::start_with(&[&[LONG], &limits[..]].concat()).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let long = format!("{{ {long} }}");

    let client = async {
        let mut id = 0;
        // One long operation after another, until the session closes.
        loop {
            id += 1;
            socket.start(&id.to_string(), &long).await;
            let message = match socket.expect_message_or_close().await {
                Ok(message) => message,
                Err(close) => break close,
            };
            match message["type"].as_str().unwrap() {
                "next" => assert_eq!(socket.expect_message().await["type"], "complete"),
                "error" => assert_eq!(message["payload"][0]["extensions"]["code"], "UNAVAILABLE"),
                _ => panic!("{message}"),
            }
        }
    };
    let (closed, ()) = join(client, node.restart()).await;

    assert_eq!(closed, restarting(1));
    node.stop().await;
}

/// A client that reads nothing and whose outbox is full.
async fn stalled(node: &NodeProcess, person: &Person) -> RawSocket {
    let document = person.create_document("Plan", "").await;
    let mut socket = person.connect_slow_raw().await;
    let content = "a: content b: content c: content d: content";
    let all =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {content} }} }}");
    socket.subscribe("1", &all).await;
    // Written by another session of the same user: a session receives no changes of its own.
    let author = person.connect().await;
    for round in 0.. {
        author.write(document, &format!("{round:08}").repeat(12_500)).await.value();
        if node.metric("coscribe_seats_behind").await > 0 {
            break;
        }
    }
    socket
}

/// Far less than the time for which a client may be silent, stall, or keep a connection without requests. A process that
/// waits for its clients exits later.
const FAR_LESS: Duration = Duration::from_secs(30);

#[actix_web::test]
async fn the_server_exits_in_time_on_term_and_int() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        // The client closes, so the server does not use this time.
        let server = SERVER.start(folder.path(), &[LONG]).await;
        let alice = server.person("Alice").await;
        let mut socket = alice.connect_raw().await;

        let start = Instant::now();
        server.signal(signal);
        let (closed, status) = join(socket.expect_close(), server.expect_exit()).await;

        assert_eq!(closed, restarting(1));
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(start.elapsed() < FAR_LESS, "{:?}", start.elapsed());
    }
}

/// Stops the node. Returns whether it exited without waiting for its clients.
async fn exits_in_time(server: NodeProcess) -> bool {
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.expect_exit().await.code(), Some(0));
    start.elapsed() < FAR_LESS
}

#[actix_web::test]
async fn a_client_that_does_not_read_does_not_delay_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[SHORT]).await;
    let alice = server.person("Alice").await;
    let stalled = stalled(&server, &alice).await;

    assert!(exits_in_time(server).await);
    drop(stalled);
}

#[actix_web::test]
async fn clients_that_do_not_answer_do_not_delay_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[SHORT]).await;
    let alice = server.person("Alice").await;
    let silent = alice.connect_raw().await;
    let not_admitted = server.handshake().open_raw().await;
    let idle = TcpStream::connect(server.address()).unwrap();

    assert!(exits_in_time(server).await);
    drop((silent, not_admitted, idle));
}
