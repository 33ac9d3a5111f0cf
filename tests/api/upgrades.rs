//! Requests that ask for an upgrade, beside other requests and on other paths.

use std::io::Cursor;

use kit::{Node as _, TestNode, within};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The heads of a handshake that every WebSocket client sends.
const HANDSHAKE: &str = "host: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A masked ping without a payload, and the pong (RFC 6455, section 5.5).
const PING: &[u8] = b"\x89\x80\0\0\0\0";
const PONG: &[u8] = b"\x8a\x00";

/// Sends bytes on a new connection and returns what comes back, until it ends with `end` or, without one, until the connection does.
async fn exchange(node: &TestNode, sent: &[u8], end: Option<&[u8]>) -> String {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut received = Vec::new();
    while end.is_none_or(|end| !received.ends_with(end)) {
        if within("the answer", stream.read_buf(&mut received)).await.unwrap() == 0 {
            assert!(end.is_none(), "the connection ended: {received:?}");
            break;
        }
    }
    String::from_utf8_lossy(&received).into_owned()
}

#[actix_web::test]
async fn requests_before_an_upgrade_are_answered_and_frames_behind_it_are_read() {
    let node = TestNode::start().await;
    let health = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let upgrade = format!(
        "GET /graphql HTTP/1.1\r\n{HANDSHAKE}sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    let sent = [health.repeat(2).as_bytes(), upgrade.as_bytes(), PING].concat();
    let received = exchange(&node, &sent, Some(PONG)).await;
    let statuses: Vec<_> = received
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|reply| reply.get(..3).unwrap_or_default())
        .collect();
    assert_eq!(statuses, ["200", "200", "101"], "{received}");
    node.stop().await;
}

#[actix_web::test]
async fn an_upgrade_that_is_none_is_answered_and_ends_the_connection() {
    let node = TestNode::start().await;
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\n", "200"),
        ("GET /nowhere HTTP/1.1\r\n", "404"),
        ("GET /sync/no-document HTTP/1.1\r\norigin: https://elsewhere.example\r\n", "403"),
        ("GET /graphql HTTP/1.1\r\norigin: https://elsewhere.example\r\n", "403"),
        ("POST /graphql HTTP/1.1\r\ncontent-type: application/json\r\n", "400"),
        ("CONNECT localhost:80 HTTP/1.1\r\n", "501"),
    ] {
        let sent = format!("{request}{HANDSHAKE}\r\n");
        let received = exchange(&node, sent.as_bytes(), None).await.to_ascii_lowercase();
        assert!(received.starts_with(&format!("http/1.1 {status} ")), "{request}: {received}");
        assert!(received.contains("connection: close\r\n"), "{request}: {received}");
    }
    // A list of protocols is no upgrade for the framework.
    let list = HANDSHAKE.replace("upgrade: websocket", "upgrade: websocket, other");
    let sent = format!("GET /graphql HTTP/1.1\r\n{list}connection: close\r\n\r\n");
    let received = exchange(&node, sent.as_bytes(), None).await;
    assert!(received.starts_with("HTTP/1.1 400 "), "{received}");
    node.stop().await;
}

#[actix_web::test]
async fn the_answer_to_a_refused_upgrade_with_a_body_arrives() {
    // As much as the buffers of the kernel take at once, so that a busy machine sends it in time.
    const BODY: usize = 60_000;
    let node = TestNode::start().await;
    let head = format!("POST /graphql HTTP/1.1\r\n{HANDSHAKE}content-length: {BODY}\r\n\r\n");
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sent = Cursor::new(head.into_bytes()).chain(tokio::io::repeat(b' ').take(BODY as u64));
    let send = async {
        let mut sent = sent;
        // The server may end the connection before it has read everything.
        drop(tokio::io::copy(&mut sent, &mut writing).await);
    };
    let mut received = Vec::new();
    let receive = within("the answer", reading.read_to_end(&mut received));
    let ((), read) = tokio::join!(send, receive);
    read.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&received));
    drop(stream);
    node.stop().await;
}
