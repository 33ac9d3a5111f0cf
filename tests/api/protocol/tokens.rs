//! Which tokens `connection_init` may bring, and where.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{Account, Handshake, Minter, meter},
};

async fn closed_after(node: &TestNode, payload: Value) -> (u16, String) {
    let mut socket = Handshake::to(node).open().await;
    socket.say(json!({ "type": "connection_init", "payload": payload })).await;
    socket.closed().await
}

#[actix_web::test]
async fn a_token_is_found_under_each_of_its_names() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let (token, bearer) = (&alice.token, format!("Bearer {}", alice.token));

    for payload in [
        json!({ "authToken": token }),
        json!({ "token": token }),
        json!({ "authorization": bearer }),
        json!({ "Authorization": bearer }),
        json!({ "authToken": bearer, "other": [1, { "two": null }] }),
    ] {
        let mut socket = Handshake::to(&node).open().await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.acknowledged().await["userId"], json!(alice.id));
    }

    node.stop().await;
}

#[actix_web::test]
async fn an_init_without_a_token_closes_with_4403() {
    let node = TestNode::start().await;
    let missing = (4403, "Missing authentication token".to_owned());

    for payload in [json!(null), json!({}), json!({ "authToken": "" }), json!({ "token": 7 })] {
        assert_eq!(closed_after(&node, payload).await, missing);
    }

    assert_eq!(meter(&node, "auth_failures_total{reason=\"missing\"}").await, 4);
    node.stop().await;
}

#[actix_web::test]
async fn an_invalid_token_closes_with_4403() {
    let (node, other) = (TestNode::start().await, TestNode::start().await);
    let alice = Account::new(&node, "alice").await;
    let invalid = (4403, "Invalid token".to_owned());
    let (head, signature) = alice.token.rsplit_once('.').unwrap();
    let (_, claims) = head.split_once('.').unwrap();
    let stranger = Account { id: "0192f0c1-2345-7abc-8def-0123456789ab".into(), ..alice.clone() };

    for token in [
        "nonsense".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(9_000),
        // Of another key, without a signature, with somebody else's, and signed by no algorithm.
        Minter::of(&other).token(&alice, Duration::from_secs(60)),
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        // Good, but of nobody who has an account.
        Minter::of(&node).token(&stranger, Duration::from_secs(60)),
    ] {
        let closed = closed_after(&node, json!({ "authToken": token })).await;
        assert_eq!(closed, invalid, "{token}");
    }

    node.stop().await;
    other.stop().await;
}

#[actix_web::test]
async fn an_expired_token_closes_with_4403() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let expired = Minter::of(&node).expired(&alice);

    let closed = closed_after(&node, json!({ "authToken": expired })).await;

    assert_eq!(closed, (4403, "Token expired".to_owned()));
    node.stop().await;
}

#[actix_web::test]
async fn the_token_of_the_init_goes_before_that_of_the_upgrade() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let by_alice = || Handshake::to(&node).path(&format!("/graphql?token={}", alice.token));

    let mut bobs = by_alice().open().await;
    assert_eq!(bobs.init(&bob.token).await["userId"], json!(bob.id));

    let mut socket = by_alice().open().await;
    socket.say(json!({ "type": "connection_init", "payload": { "token": "nonsense" } })).await;
    assert_eq!(socket.closed().await, (4403, "Invalid token".to_owned()));

    drop(bobs);
    node.stop().await;
}
