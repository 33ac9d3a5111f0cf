//! The deadlines and the places of connections.

use std::time::Duration;

use kit::{Client as _, Handshake, Node as _, TestNode, expect_eventually, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::interval,
};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HALF_A_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ";

/// One file of the page, 1.4 MB.
const SCRIPT: &[u8] = b"GET /graphiql/graphiql.js HTTP/1.1\r\nHost: localhost\r\n\r\n";

const SLOW_HEADS: &str = "coscribe_connections_ended_total{reason=\"slow_head\"}";
const SLOW_ANSWERS: &str = "coscribe_connections_ended_total{reason=\"slow_answer\"}";
const GAVE_WAY: &str = "coscribe_connections_ended_total{reason=\"gave_way\"}";

/// One worker, so that all connections take its places.
const ONE_WORKER: (&str, &str) = ("COSCRIBE__SERVER__WORKERS", "1");

async fn connect(node: &TestNode) -> TcpStream {
    TcpStream::connect(node.address()).await.unwrap()
}

/// Reads the reply to [`HEALTH`].
async fn read_health(stream: &mut TcpStream) {
    let mut reply = Vec::new();
    while !reply.ends_with(b"{\"status\":\"ok\"}") {
        let read = within("the reply", stream.read_buf(&mut reply)).await.unwrap();
        assert_ne!(read, 0, "the connection ended");
    }
}

/// Waits for the end of a connection. Returns what arrived until then.
async fn expect_end(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is an end as well.
    drop(within("the end of the connection", stream.read_to_end(&mut rest)).await);
    String::from_utf8(rest).unwrap()
}

#[actix_web::test]
async fn a_second_request_of_which_half_a_head_arrives_ends_the_connection() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__HEAD_WITHIN", "5s")]).await;
    let mut after_the_reply = connect(&node).await;
    after_the_reply.write_all(HEALTH).await.unwrap();
    read_health(&mut after_the_reply).await;
    after_the_reply.write_all(HALF_A_HEAD).await.unwrap();
    let mut together = connect(&node).await;
    together.write_all(&[HEALTH, HALF_A_HEAD].concat()).await.unwrap();
    read_health(&mut together).await;
    let mut byte_by_byte = connect(&node).await;
    byte_by_byte.write_all(HEALTH).await.unwrap();
    read_health(&mut byte_by_byte).await;
    let mut pace = interval(Duration::from_millis(50));
    let dripping = async {
        while byte_by_byte.write_all(b"a").await.is_ok() {
            pace.tick().await;
        }
    };

    within("the end of the dripping connection", dripping).await;
    assert_eq!(expect_end(&mut after_the_reply).await, "");
    assert_eq!(expect_end(&mut together).await, "");
    node.expect_metric(SLOW_HEADS, 3).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_that_sends_whole_heads_lives_longer_than_a_head_may_take() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__HEAD_WITHIN", "5s")]).await;
    let mut stream = connect(&node).await;
    let mut pace = interval(Duration::from_millis(700));
    for round in 0..10 {
        pace.tick().await;
        // The end of some heads comes later, and byte by byte.
        let (begin, end) = HEALTH.split_at(HEALTH.len() - round % 4);
        stream.write_all(begin).await.unwrap();
        for byte in end {
            stream.write_all(&[*byte]).await.unwrap();
        }
        read_health(&mut stream).await;
    }
    assert_eq!(node.metric(SLOW_HEADS).await, 0);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_accepts_single_bytes_of_its_answer_is_disconnected_and_one_that_reads_gets_all_of_it()
 {
    const ANSWERS: usize = 12;
    let node = TestNode::start_with(&[
        ("COSCRIBE__SERVER__ANSWER_PATIENCE", "8s"),
        ("COSCRIBE__SERVER__LEAST_RATE", "100000000"),
        ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000"),
    ])
    .await;
    // More than the kernel buffers.
    let requests = SCRIPT.repeat(ANSWERS);

    let mut reader = connect(&node).await;
    reader.write_all(&requests).await.unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    while read < ANSWERS * 1_300_000 {
        let bytes = within("more of the answers", reader.read(&mut buffer)).await.unwrap();
        assert_ne!(bytes, 0, "the connection ended after {read} bytes");
        read += bytes;
    }

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32_768).unwrap();
    let mut sipper = socket.connect(node.address()).await.unwrap();
    sipper.write_all(&requests).await.unwrap();
    let mut pace = interval(Duration::from_millis(10));
    let sipping = async {
        loop {
            pace.tick().await;
            drop(sipper.read(&mut buffer[..1_000]).await);
        }
    };
    tokio::select! {
        () = sipping => {}
        () = node.expect_metric_that("an end", SLOW_ANSWERS, |ended| ended > 0) => {}
    }
    drop((reader, sipper));
    node.stop().await;
}

#[actix_web::test]
async fn strangers_give_way_to_new_clients_and_clients_with_a_token_stay() {
    let node =
        TestNode::start_with(&[ONE_WORKER, ("COSCRIBE__SERVER__MAX_CONNECTIONS", "20")]).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let mut strangers = Vec::new();
    for _ in 0..30 {
        let mut stranger = connect(&node).await;
        stranger.write_all(HALF_A_HEAD).await.unwrap();
        strangers.push(stranger);
    }

    let bob = node.person("Bob").await;
    let mut bobs = bob.connect_raw().await;
    bobs.expect_alive().await;
    socket.expect_alive().await;
    assert!(alice.run("{ me { id } }", json!({})).await.is_ok());
    assert!(node.metric(GAVE_WAY).await >= 20);
    drop((socket, bobs, strangers));
    node.stop().await;
}

#[actix_web::test]
async fn a_session_that_is_not_admitted_and_gives_way_is_told_so() {
    let node = TestNode::start_with(&[
        ONE_WORKER,
        ("COSCRIBE__SERVER__MAX_CONNECTIONS", "20"),
        ("COSCRIBE__SESSION__INIT_WITHIN", "60s"),
    ])
    .await;
    let mut waiting = node.handshake().open_raw().await;
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(connect(&node).await);
    }

    assert_eq!(waiting.expect_close().await.0, 1013);
    drop(strangers);
    node.stop().await;
}

#[actix_web::test]
async fn an_address_that_has_filled_its_places_gets_no_more_and_others_do() {
    let node =
        TestNode::start_with(&[ONE_WORKER, ("COSCRIBE__SERVER__CONNECTIONS_PER_ADDRESS", "3")])
            .await;
    let alice = node.person("Alice").await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(alice.connect_raw().await);
    }

    let mut refused = connect(&node).await;
    // The request may arrive after the refusal.
    drop(refused.write_all(HEALTH).await);
    let reply = expect_end(&mut refused).await;
    assert!(reply.starts_with("HTTP/1.1 429 ") || reply.is_empty(), "{reply}");

    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(node.address()).await.unwrap();
    other.write_all(HEALTH).await.unwrap();
    read_health(&mut other).await;

    drop((sockets, other));
    expect_eventually("a free place", async || {
        let mut stream = connect(&node).await;
        let mut byte = [0];
        stream.write_all(HEALTH).await.is_ok()
            && matches!(stream.read(&mut byte).await, Ok(1..))
            && stream.read_u64().await.is_ok_and(|reply| &reply.to_be_bytes() == b"TTP/1.1 ")
            && stream.read_u8().await.is_ok_and(|digit| digit == b'2')
    })
    .await;
    node.stop().await;
}

#[actix_web::test]
async fn only_version_13_without_a_body_becomes_a_websocket() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let editor = format!("/sync/{document}?token={}", alice.token);
    for path in ["/graphql", &*editor] {
        let handshake = || Handshake::to_path(node.address(), path);
        for (what, refused) in [
            ("version 7", handshake().replace("Sec-WebSocket-Version", "7")),
            ("version 8", handshake().replace("Sec-WebSocket-Version", "8")),
            ("a length", handshake().header("Content-Length", "5")),
            ("a chunked body", handshake().header("Transfer-Encoding", "chunked")),
        ] {
            let reply = refused.send().await;
            assert_eq!(reply.status, 400, "{path} {what}");
            assert_eq!(reply.header("Sec-WebSocket-Version"), Some("13"), "{path} {what}");
        }
        assert_eq!(handshake().header("Content-Length", "0").send().await.status, 101, "{path}");
    }
    node.stop().await;
}

/// Asks for the user of this token, and reads the reply.
async fn show_token(stream: &mut TcpStream, token: &str) {
    let request = format!(
        "GET /graphql?query=%7Bme%7Bid%7D%7D HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\"}}}") {
        let read = within("the reply", stream.read_buf(&mut reply)).await.unwrap();
        assert_ne!(read, 0, "the connection ended");
    }
}

#[actix_web::test]
async fn one_account_cannot_take_the_places_of_all_others() {
    const MANY: usize = 200;
    let node = TestNode::start_with(&[
        ONE_WORKER,
        ("COSCRIBE__SERVER__MAX_CONNECTIONS", "200"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "10000"),
    ])
    .await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let mut bobs = bob.connect_raw().await;
    let mut held = Vec::new();
    for _ in 0..MANY {
        let mut stream = connect(&node).await;
        show_token(&mut stream, &alice.token).await;
        held.push(stream);
    }

    // Ten sessions and 64 other connections of one account keep their places. Strangers have 100.
    let gave_way = node.metric(GAVE_WAY).await;
    assert!(gave_way >= 200 - 74 - 100, "{gave_way} connections gave way");
    bobs.expect_alive().await;
    assert!(bob.run("{ me { id } }", json!({})).await.is_ok());
    // The connection that was the first to show the token is still there.
    show_token(&mut held[0], &alice.token).await;
    drop((bobs, held));
    node.stop().await;
}

#[actix_web::test]
async fn all_addresses_of_a_worker_share_its_places() {
    let node = TestNode::start_with(&[
        ONE_WORKER,
        ("COSCRIBE__SERVER__MAX_CONNECTIONS", "20"),
        ("COSCRIBE__SERVER__METRICS_ADDRESS", "127.0.0.1:0"),
    ])
    .await;
    // Ten of the places are for strangers.
    let mut first = Vec::new();
    for _ in 0..6 {
        first.push(connect(&node).await);
    }
    let mut second = Vec::new();
    for _ in 0..10 {
        second.push(TcpStream::connect(node.metrics_address()).await.unwrap());
    }

    for stream in &mut first {
        assert_eq!(expect_end(stream).await, "");
    }
    drop(second);
    node.stop().await;
}

#[actix_web::test]
async fn a_stranger_gives_way_when_clients_with_a_token_have_taken_reserved_places() {
    let node = TestNode::start_with(&[
        ONE_WORKER,
        ("COSCRIBE__SERVER__MAX_CONNECTIONS", "20"),
        ("COSCRIBE__SERVER__RESERVED_PERCENT", "10"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(alice.connect_raw().await);
    }
    // Strangers may take 18 places, but there are only ten left.
    let mut strangers = Vec::new();
    for _ in 0..15 {
        strangers.push(connect(&node).await);
    }

    let bob = node.person("Bob").await;
    assert!(bob.run("{ me { id } }", json!({})).await.is_ok());
    assert!(node.metric(GAVE_WAY).await >= 5);
    for socket in &mut sockets {
        socket.expect_alive().await;
    }
    drop((sockets, strangers));
    node.stop().await;
}

#[actix_web::test]
async fn a_request_that_is_sent_while_answers_wait_is_answered() {
    const ANSWERS: usize = 12;
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")]).await;
    let mut stream = connect(&node).await;
    stream.write_all(&SCRIPT.repeat(ANSWERS)).await.unwrap();
    // The answers are more than the kernel buffers, and nothing else is read before the next request is sent.
    within("the first byte", stream.read_u8()).await.unwrap();
    stream.write_all(HEALTH).await.unwrap();

    let (mut answers, mut read) = (Vec::new(), 1);
    while !answers.ends_with(b"{\"status\":\"ok\"}") {
        let bytes = within("more of the answers", stream.read_buf(&mut answers)).await.unwrap();
        assert_ne!(bytes, 0, "the connection ended");
        read += bytes;
        answers.drain(..answers.len().saturating_sub(100));
    }
    assert!(read > ANSWERS * 1_300_000, "{read}");
    drop(stream);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_sends_thousands_of_requests_at_once_gets_all_answers() {
    const MANY: usize = 3_000;
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CHECKS_PER_SECOND", "100000")]).await;
    let mut stream = connect(&node).await;
    let requests = HEALTH.repeat(MANY);
    let (mut reading, mut writing) = stream.split();
    let receive = async {
        let (mut ok, mut replies) = (0, Vec::new());
        while ok < MANY {
            let read = within("more replies", reading.read_buf(&mut replies)).await.unwrap();
            assert_ne!(read, 0, "the connection ended after {ok} replies");
            // Every reply ends with the only brace of its body that closes.
            let whole = replies.iter().rposition(|byte| *byte == b'}').map_or(0, |end| end + 1);
            let text = String::from_utf8(replies.drain(..whole).collect()).unwrap();
            assert_eq!(text.matches("HTTP/1.1 200 OK").count(), text.matches('}').count());
            ok += text.matches('}').count();
        }
    };
    let (sent, ()) = tokio::join!(writing.write_all(&requests), receive);
    sent.unwrap();
    drop(stream);
    node.stop().await;
}
