//! What a bystander notices of a flood, and what those get who cause it.

use std::time::Duration;

use futures_util::future::join_all;
use kit::{Frame, HttpReply, Node as _, Opcode, RawSocket, TestNode, http_client, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// The longest time that most operations of a bystander may take, and that each of them may take. On a busy machine a
/// single one may take longer than usual.
const MAX_MEDIAN: Duration = Duration::from_secs(3);
const MAX_LATENCY: Duration = Duration::from_secs(30);
/// How long a refusal waits at least.
const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// Sends requests for this path without a pause.
async fn flood(node: &TestNode, path: &str) {
    let client = reqwest::Client::new();
    loop {
        // What the server answers does not matter here.
        drop(client.get(node.url(path)).bearer_auth("not.a.token").send().await);
    }
}

/// Works as a bystander and checks how long that takes.
async fn expect_served(socket: &mut RawSocket) {
    let mut took = Vec::new();
    for id in 0..40 {
        let asked = Instant::now();
        socket.run(&id.to_string(), "{ me { id } }", json!({})).await;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    assert!(took[20] < MAX_MEDIAN && took[39] < MAX_LATENCY, "{took:?}");
}

#[actix_web::test]
async fn a_bystander_is_served_while_strangers_ask_for_everything() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let mut half_heads = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(b"GET /graphql HTTP/1.1\r\nX-Long: ").await.unwrap();
        half_heads.push(stream);
    }
    let paths = ["/graphiql/graphiql.js", "/readyz", "/metrics", "/graphql?query={me{id}}", "/x"];
    let floods = paths.iter().cycle().take(20).map(|path| flood(&node, path));
    let flooding = join_all(floods);

    tokio::select! {
        _ = flooding => unreachable!("a flood does not end"),
        () = expect_served(&mut socket) => {}
    }
    drop((socket, half_heads));
    node.stop().await;
}

#[actix_web::test]
async fn a_user_above_their_limit_gets_few_refusals_per_connection() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "1")]).await;
    let alice = node.person("Alice").await;
    let client = http_client();
    let ask = async || {
        let asked = Instant::now();
        let request = client.get(node.url("/graphql?query={me{id}}")).bearer_auth(&alice.token);
        (HttpReply::to(request).await.status, asked.elapsed())
    };

    let replies = join_all((0..20).map(|_| ask())).await;

    let refused: Vec<_> = replies.iter().filter(|(status, _)| *status == 429).collect();
    assert!((1..20).contains(&refused.len()), "{replies:?}");
    // Each refusal waits.
    assert!(refused.iter().all(|(_, took)| *took >= REFUSAL_PAUSE), "{replies:?}");
    node.stop().await;
}

#[actix_web::test]
async fn messages_that_no_other_limit_counts_are_read_at_a_steady_rate() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__MESSAGES_PER_SECOND", "50")]).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let started = Instant::now();
    let pongs = Frame::new(Opcode::Pong, "").bytes().repeat(200);
    socket.send_bytes(&pongs).await;

    // What is read together is handled together. What is sent afterwards waits, except for a burst of a second.
    for _ in 0..2 {
        socket.expect_alive().await;
    }

    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    drop(socket);
    node.stop().await;
}

/// One check per second for each address. The tests themselves read metrics as a proxy does, which is not counted.
const ONE_CHECK: [(&str, &str); 2] = [
    ("COSCRIBE__LIMITS__CHECKS_PER_SECOND", "1"),
    ("COSCRIBE__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
];

/// A health check of a client behind the proxy.
const FORWARDED_CHECK: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";

#[actix_web::test]
async fn health_checks_above_the_limit_are_answered_later() {
    const CHECKS: usize = 11;
    let node = TestNode::start_with(&ONE_CHECK).await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(&FORWARDED_CHECK.repeat(CHECKS)).await.unwrap();
    let mut replies = Vec::new();
    while replies.iter().filter(|byte| **byte == b'}').count() < CHECKS {
        let read = within("more replies", stream.read_buf(&mut replies)).await.unwrap();
        assert_ne!(read, 0, "the connection ended");
    }

    // Each of them waits 200 ms, except the first and one more for each second.
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let replies = String::from_utf8(replies).unwrap();
    assert_eq!(replies.matches("HTTP/1.1 200 OK").count(), CHECKS);
    drop(stream);
    node.stop().await;
}

/// Asks for the metrics as a client behind the proxy. Returns the status.
async fn ask_for_metrics(node: &TestNode) -> u16 {
    let request = http_client().get(node.url("/metrics"));
    HttpReply::to(request.header("X-Forwarded-For", "203.0.113.7")).await.status
}

#[actix_web::test]
async fn requests_for_the_metrics_above_the_limit_are_refused_unless_a_proxy_sends_them() {
    let node = TestNode::start_with(&ONE_CHECK).await;
    let asking = (0..40).map(|_| ask_for_metrics(&node));
    let replies = join_all(asking).await;
    assert!(replies.contains(&200) && replies.contains(&429), "{replies:?}");
    assert!(replies.iter().all(|status| [200, 429].contains(status)), "{replies:?}");

    for _ in 0..10 {
        assert_eq!(node.get("/metrics").await.status, 200);
    }
    node.stop().await;
}

/// Sends health checks without waiting for the answers, as long as the connection is open.
async fn send_checks(node: &TestNode) {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let requests = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    let send = async { while writing.write_all(&requests).await.is_ok() {} };
    let receive = async {
        let mut replies = vec![0; 64 * 1024];
        while reading.read(&mut replies).await.is_ok_and(|read| read > 0) {}
    };
    tokio::join!(send, receive);
}

#[actix_web::test]
async fn a_bystander_is_served_while_strangers_send_thousands_of_checks_at_once() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let flooding = join_all((0..50).map(|_| send_checks(&node)));

    tokio::select! {
        _ = flooding => unreachable!("the node ended the floods"),
        () = expect_served(&mut socket) => {}
    }
    drop(socket);
    node.stop().await;
}
