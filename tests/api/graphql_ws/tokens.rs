//! The token of `connection_init`: where it may be and which tokens are accepted.

use coscribe::domain::UserId;
use std::time::Duration;

use kit::{Node as _, TestNode, TokenMinter};
use serde_json::{Value, json};

async fn expect_close_after_init(node: &TestNode, payload: Value) -> (u16, String) {
    let mut socket = node.handshake().open_raw().await;
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    socket.expect_close().await
}

#[actix_web::test]
async fn a_token_is_accepted_under_each_of_its_keys() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let (token, bearer) = (&alice.token, format!("Bearer {}", alice.token));

    for payload in [
        json!({ "authToken": token }),
        json!({ "token": token }),
        json!({ "authorization": bearer }),
        json!({ "Authorization": bearer }),
        json!({ "authToken": bearer, "other": [1, { "two": null }] }),
    ] {
        let mut socket = node.handshake().open_raw().await;
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.expect_ack().await["userId"], json!(alice.id));
    }

    node.stop().await;
}

#[actix_web::test]
async fn an_init_without_a_token_closes_with_4403() {
    let node = TestNode::start().await;
    let missing = (4403, "Missing authentication token".to_owned());

    for payload in [json!(null), json!({}), json!({ "authToken": "" }), json!({ "token": 7 })] {
        assert_eq!(expect_close_after_init(&node, payload).await, missing);
    }

    assert_eq!(node.metric("auth_failures_total{reason=\"missing\"}").await, 4);
    node.stop().await;
}

#[actix_web::test]
async fn an_invalid_token_closes_with_4403() {
    let (node, other) = (TestNode::start().await, TestNode::start().await);
    let alice = node.person("Alice").await;
    let invalid = (4403, "Invalid token".to_owned());
    let (head, signature) = alice.token.rsplit_once('.').unwrap();
    let (_, claims) = head.split_once('.').unwrap();

    for token in [
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(9_000),
        // Signed with another key, not signed, signed wrongly, and with no algorithm.
        TokenMinter::of(&other).token(alice.id, Duration::from_secs(60)),
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        // Valid, but for a user without an account.
        TokenMinter::of(&node).token(UserId::new(), Duration::from_secs(60)),
    ] {
        let closed = expect_close_after_init(&node, json!({ "authToken": token })).await;
        assert_eq!(closed, invalid, "{token}");
    }

    node.stop().await;
    other.stop().await;
}

#[actix_web::test]
async fn an_expired_token_closes_with_4403() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let expired = TokenMinter::of(&node).expired(alice.id);

    let closed = expect_close_after_init(&node, json!({ "authToken": expired })).await;

    assert_eq!(closed, (4403, "Token expired".to_owned()));
    node.stop().await;
}

#[actix_web::test]
async fn the_token_of_the_init_takes_precedence_over_that_of_the_upgrade() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let by_alice = || node.handshake().token_in_address(&alice.token);

    let mut bobs = by_alice().open_raw().await;
    assert_eq!(bobs.init(&bob.token).await["userId"], json!(bob.id));

    let mut socket = by_alice().open_raw().await;
    socket.send(json!({ "type": "connection_init", "payload": { "token": "nonsense" } })).await;
    assert_eq!(socket.expect_close().await, (4403, "Invalid token".to_owned()));

    drop(bobs);
    node.stop().await;
}
