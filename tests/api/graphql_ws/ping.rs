//! `ping` and `pong`, and the token that a `ping` may carry.

use std::time::Duration;

use kit::{Frame, Node as _, ServerFrame, TestNode, TokenMinter};
use serde_json::json;

#[actix_web::test]
async fn a_ping_is_answered_with_its_own_payload() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.expect_message().await, json!({ "type": "pong" }));
    socket.send(json!({ "type": "ping", "payload": null })).await;
    assert_eq!(socket.expect_message().await, json!({ "type": "pong" }));
    socket.send(json!({ "type": "ping", "payload": { "a": [1, { "b": "ö" }] } })).await;
    let pong = json!({ "type": "pong", "payload": { "a": [1, { "b": "ö" }] } });
    assert_eq!(socket.expect_message().await, pong);
    // Numbers are returned as the client wrote them.
    socket.send_frame(Frame::text(r#"{"payload":{"n":1.50,"m":1e400},"type":"ping"}"#)).await;
    let ServerFrame::Text(text) = socket.expect_frame().await else { panic!() };
    assert_eq!(text, r#"{"type":"pong","payload":{"n":1.50,"m":1e400}}"#);

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn pings_are_answered_before_the_ack_and_pongs_are_ignored_at_any_time() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;

    socket.send(json!({ "type": "pong" })).await;
    // Before the ack there is no session that a token could extend.
    let ping = json!({ "type": "ping", "payload": { "authToken": alice.token } });
    socket.send(ping).await;
    let pong = json!({ "type": "pong", "payload": { "authToken": alice.token } });
    assert_eq!(socket.expect_message().await, pong);
    socket.init(&alice.token).await;
    socket.send(json!({ "type": "pong", "payload": { "authToken": "nonsense" } })).await;
    socket.expect_alive().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_fresh_token_in_a_ping_extends_the_session() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;
    let minter = TokenMinter::of(&node);
    let short = socket.init(&minter.token(alice.id, Duration::from_secs(100))).await;

    for key in ["authToken", "token", "authorization"] {
        let fresh = minter.token(alice.id, Duration::from_secs(5_000));
        socket.send(json!({ "type": "ping", "payload": { key: fresh } })).await;
        let pong = socket.expect_message().await;
        assert_eq!(pong["type"], "pong");
        assert_eq!(pong["payload"]["error"], json!(null));
        let (before, now) = (&short["tokenExpiresAt"], &pong["payload"]["tokenExpiresAt"]);
        assert!(before.as_str() < now.as_str(), "{before} {now}");
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_that_expires_sooner_does_not_shorten_the_session() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;
    let expires_at = socket.init(&alice.token).await["tokenExpiresAt"].clone();

    let sooner = TokenMinter::of(&node).token(alice.id, Duration::from_secs(100));
    socket.send(json!({ "type": "ping", "payload": { "authToken": sooner } })).await;

    let pong = json!({ "type": "pong", "payload": { "tokenExpiresAt": expires_at } });
    assert_eq!(socket.expect_message().await, pong);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_unusable_token_is_refused_in_the_pong() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await;
    let mut socket = node.handshake().open_raw().await;
    let expires_at = socket.init(&alice.token).await["tokenExpiresAt"].clone();

    for (token, code) in [
        (bob.token.clone(), "FORBIDDEN"),
        ("nonsense".to_owned(), "UNAUTHENTICATED"),
        (TokenMinter::of(&node).expired(alice.id), "UNAUTHENTICATED"),
    ] {
        socket.send(json!({ "type": "ping", "payload": { "authToken": token } })).await;
        let pong = socket.expect_message().await;
        assert_eq!(pong["type"], "pong");
        assert_eq!(pong["payload"]["error"]["code"], code);
        assert!(pong["payload"]["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(pong["payload"]["tokenExpiresAt"], expires_at);
        // The session is still Alice's.
        let me = socket.run("1", "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}
