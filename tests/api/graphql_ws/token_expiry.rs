//! Token expiry: the warning, and the end of the session.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kit::{Node as _, Person, RawSocket, TestNode, TokenMinter};
use serde_json::{Value, json};

/// Tokens of ten seconds bring a warning after about half of their life. The tests of `Heartbeat` have the exact times.
const WARN_SOON: &[(&str, &str)] = &[("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "4s")];

/// Opens a session whose token is valid for nine to ten seconds. Returns the socket and the time of expiry.
async fn short_session(node: &TestNode, person: &Person) -> (RawSocket, Value) {
    let mut socket = node.handshake().open_raw().await;
    let token = TokenMinter::of(node).token(person.id, Duration::from_secs(10));
    let expires_at = socket.init(&token).await["tokenExpiresAt"].clone();
    (socket, expires_at)
}

fn milliseconds_to(time: &Value) -> i64 {
    let time: DateTime<Utc> = time.as_str().unwrap().parse().unwrap();
    (time - Utc::now()).num_milliseconds()
}

#[actix_web::test]
async fn a_client_is_warned_before_its_token_expires_and_closed_when_it_does() {
    let node = TestNode::start_with(WARN_SOON).await;
    let alice = node.person("Alice").await;
    let (mut socket, expires_at) = short_session(&node, &alice).await;

    let warning = socket.expect_message().await;
    assert_eq!(warning, json!({ "type": "ping", "payload": { "tokenExpiresAt": expires_at } }));
    // Never early. A busy machine may make it late, but not later than the end.
    assert!(milliseconds_to(&expires_at) <= 4_000, "{}", milliseconds_to(&expires_at));

    assert_eq!(socket.expect_close().await, (4403, "Token expired".to_owned()));
    assert!(milliseconds_to(&expires_at) <= 0, "{}", milliseconds_to(&expires_at));
    node.stop().await;
}

#[actix_web::test]
async fn an_extended_session_outlives_its_first_token() {
    let node = TestNode::start_with(WARN_SOON).await;
    let alice = node.person("Alice").await;
    let (mut extended, _) = short_session(&node, &alice).await;
    let (mut other, _) = short_session(&node, &alice).await;

    assert_eq!(extended.expect_message().await["type"], "ping");
    extended.send(json!({ "type": "ping", "payload": { "authToken": alice.token } })).await;
    assert_eq!(extended.expect_message().await["type"], "pong");

    // The other token expired no earlier, and its session has ended.
    assert_eq!(other.expect_close().await.0, 4403);
    extended.expect_alive().await;

    drop(extended);
    node.stop().await;
}

#[actix_web::test]
async fn the_expiry_warning_needs_no_reply() {
    let node = TestNode::start_with(WARN_SOON).await;
    let alice = node.person("Alice").await;
    let (mut socket, _) = short_session(&node, &alice).await;

    assert_eq!(socket.expect_message().await["type"], "ping");
    socket.expect_alive().await;
    socket.send(json!({ "type": "pong" })).await;
    socket.expect_alive().await;

    drop(socket);
    node.stop().await;
}
