//! `ping` and `pong`, and the token that a `ping` may carry.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    TestNode,
    raw::{Account, Frame, Handshake, Minter, RawSocket, Received},
};

#[actix_web::test]
async fn a_ping_is_answered_with_its_own_payload() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    socket.say(json!({ "type": "ping", "payload": null })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    socket.say(json!({ "type": "ping", "payload": { "a": [1, { "b": "ö" }] } })).await;
    let pong = json!({ "type": "pong", "payload": { "a": [1, { "b": "ö" }] } });
    assert_eq!(socket.hear().await, pong);
    // Numbers come back as they were written, not as the server would write them.
    socket.send(Frame::text(r#"{"payload":{"n":1.50,"m":1e400},"type":"ping"}"#)).await;
    let Received::Text(text) = socket.receive().await else { panic!() };
    assert_eq!(text, r#"{"type":"pong","payload":{"n":1.50,"m":1e400}}"#);

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn pings_are_answered_before_the_ack_and_pongs_are_ignored_at_any_time() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;

    socket.say(json!({ "type": "pong" })).await;
    // Before the ack there is nothing that a token could renew.
    let ping = json!({ "type": "ping", "payload": { "authToken": alice.token } });
    socket.say(ping).await;
    let pong = json!({ "type": "pong", "payload": { "authToken": alice.token } });
    assert_eq!(socket.hear().await, pong);
    socket.init(&alice.token).await;
    socket.say(json!({ "type": "pong", "payload": { "authToken": "nonsense" } })).await;
    socket.lives().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_fresh_token_in_a_ping_extends_the_session() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;
    let minter = Minter::of(&node);
    let short = socket.init(&minter.token(&alice, Duration::from_secs(100))).await;

    for key in ["authToken", "token", "authorization"] {
        let fresh = minter.token(&alice, Duration::from_secs(5_000));
        socket.say(json!({ "type": "ping", "payload": { key: fresh } })).await;
        let pong = socket.hear().await;
        assert_eq!(pong["type"], "pong");
        assert_eq!(pong["payload"]["error"], json!(null));
        let (before, now) = (&short["tokenExpiresAt"], &pong["payload"]["tokenExpiresAt"]);
        assert!(before.as_str() < now.as_str(), "{before} {now}");
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_that_runs_out_sooner_takes_nothing_away() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;
    let until = socket.init(&alice.token).await["tokenExpiresAt"].clone();

    let sooner = Minter::of(&node).token(&alice, Duration::from_secs(100));
    socket.say(json!({ "type": "ping", "payload": { "authToken": sooner } })).await;

    let pong = json!({ "type": "pong", "payload": { "tokenExpiresAt": until } });
    assert_eq!(socket.hear().await, pong);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_that_cannot_extend_the_session_is_refused_in_the_pong() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let bob = Account::new(&node, "bob").await;
    let mut socket = Handshake::to(&node).open().await;
    let until = socket.init(&alice.token).await["tokenExpiresAt"].clone();

    for (token, code) in [
        (bob.token.clone(), "FORBIDDEN"),
        ("nonsense".to_owned(), "UNAUTHENTICATED"),
        (Minter::of(&node).expired(&alice), "UNAUTHENTICATED"),
    ] {
        socket.say(json!({ "type": "ping", "payload": { "authToken": token } })).await;
        let pong = socket.hear().await;
        assert_eq!(pong["type"], "pong");
        assert_eq!(pong["payload"]["error"]["code"], code);
        assert!(pong["payload"]["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(pong["payload"]["tokenExpiresAt"], until);
        // Still Alice's session.
        let me = socket.run("1", "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}
