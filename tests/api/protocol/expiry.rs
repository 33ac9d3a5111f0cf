//! The end of a token is the end of its session.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{Account, Handshake, Minter, RawSocket},
};

const WARNED: &[(&str, &str)] = &[("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "900ms")];

/// A session whose token is good for one to two seconds, and until when.
async fn short_session(node: &TestNode, account: &Account) -> (RawSocket, Value) {
    let mut socket = Handshake::to(node).open().await;
    let token = Minter::of(node).token(account, Duration::from_secs(2));
    let until = socket.init(&token).await["tokenExpiresAt"].clone();
    (socket, until)
}

fn milliseconds_to(time: &Value) -> i64 {
    let time: DateTime<Utc> = time.as_str().unwrap().parse().unwrap();
    (time - Utc::now()).num_milliseconds()
}

#[actix_web::test]
async fn a_client_is_told_before_its_token_expires_and_closed_when_it_does() {
    let node = TestNode::start_with(WARNED).await;
    let alice = Account::new(&node, "alice").await;
    let (mut socket, until) = short_session(&node, &alice).await;

    let warning = socket.hear().await;
    assert_eq!(warning, json!({ "type": "ping", "payload": { "tokenExpiresAt": until } }));
    assert!((1..=900).contains(&milliseconds_to(&until)), "{}", milliseconds_to(&until));

    assert_eq!(socket.closed().await, (4403, "Token expired".to_owned()));
    assert!(milliseconds_to(&until) <= 0, "{}", milliseconds_to(&until));
    node.stop().await;
}

#[actix_web::test]
async fn a_session_that_was_extended_outlives_its_first_token() {
    let node = TestNode::start_with(WARNED).await;
    let alice = Account::new(&node, "alice").await;
    let (mut extended, _) = short_session(&node, &alice).await;
    let (mut other, _) = short_session(&node, &alice).await;

    assert_eq!(extended.hear().await["type"], "ping");
    extended.say(json!({ "type": "ping", "payload": { "authToken": alice.token } })).await;
    assert_eq!(extended.hear().await["type"], "pong");

    // The other one had a token at least as good, and has gone.
    assert_eq!(other.closed().await.0, 4403);
    extended.lives().await;

    drop(extended);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_does_not_answer_the_warning_needs_no_pong() {
    let node = TestNode::start_with(WARNED).await;
    let alice = Account::new(&node, "alice").await;
    let (mut socket, _) = short_session(&node, &alice).await;

    assert_eq!(socket.hear().await["type"], "ping");
    socket.lives().await;
    socket.say(json!({ "type": "pong" })).await;
    socket.lives().await;

    drop(socket);
    node.stop().await;
}
