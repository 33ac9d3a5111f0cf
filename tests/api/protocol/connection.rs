//! From the handshake to `connection_ack`.

use serde_json::json;

use crate::support::{
    TestNode,
    raw::{Account, Frame, Handshake, Minter, RawSocket, Received},
};

#[actix_web::test]
async fn the_ack_says_what_a_client_needs_to_know() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = Handshake::to(&node).open().await;

    let ack = socket.init(&alice.token).await;

    let keys: Vec<_> = ack.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["heartbeat", "sessionId", "tokenExpiresAt", "userId"]);
    assert_eq!(ack["userId"], json!(alice.id));
    assert_eq!(ack["heartbeat"], json!({ "pingEvery": 30_000, "silenceAllowed": 90_000 }));
    let session: uuid::Uuid = ack["sessionId"].as_str().unwrap().parse().unwrap();
    assert_eq!(session.get_version_num(), 7);
    let expires_at = ack["tokenExpiresAt"].as_str().unwrap();
    let expires_at = chrono::DateTime::parse_from_rfc3339(expires_at).unwrap();
    let life = expires_at.signed_duration_since(chrono::Utc::now()).num_minutes();
    assert!((58..=60).contains(&life), "{life}");

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_init_without_a_payload_is_enough_when_the_upgrade_carried_the_token() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let bearer = format!("Bearer {}", alice.token);
    let address = format!("/graphql?token={}", alice.token);

    for handshake in [
        Handshake::to(&node).also("Authorization", &bearer),
        Handshake::to(&node).also("Authorization", &bearer.replace("Bearer", "bearer")),
        Handshake::to(&node).path(&address),
    ] {
        let mut socket = handshake.open().await;
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.acknowledged().await["userId"], json!(alice.id));
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_bad_token_is_refused_before_the_upgrade() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let expired = Minter::of(&node).expired(&alice);

    for handshake in [
        Handshake::to(&node).also("Authorization", "Bearer nonsense"),
        Handshake::to(&node).also("Authorization", &format!("Bearer {expired}")),
        Handshake::to(&node).also("Authorization", "Basic YTpi"),
        Handshake::to(&node).path("/graphql?token=nonsense"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_page_of_another_origin_is_refused_before_the_upgrade() {
    let node = TestNode::start().await;

    let reply = Handshake::to(&node).also("Origin", "https://evil.example").send().await;
    assert_eq!(reply.status, 403);

    let own = node.url("");
    let reply = Handshake::to(&node).also("Origin", &own).send().await;
    assert_eq!(reply.status, 101);

    drop(reply);
    node.stop().await;
}

#[actix_web::test]
async fn a_subprotocol_that_is_not_spoken_closes_with_4406() {
    let node = TestNode::start().await;
    let refused = (4406, "Subprotocol not acceptable".to_owned());

    for handshake in [
        Handshake::to(&node).without("Sec-WebSocket-Protocol"),
        Handshake::to(&node).with("Sec-WebSocket-Protocol", "graphql-ws"),
        Handshake::to(&node).with("Sec-WebSocket-Protocol", "graphql-transport-ws2, soap"),
    ] {
        assert_eq!(handshake.open().await.closed().await, refused);
    }

    node.stop().await;
}

#[actix_web::test]
async fn the_subprotocol_is_found_among_others_and_named_in_the_answer() {
    let node = TestNode::start().await;
    let ours = Handshake::to(&node);
    let offer = "Sec-WebSocket-Protocol";

    for handshake in [
        ours,
        Handshake::to(&node).with(offer, "graphql-ws,  graphql-transport-ws"),
        Handshake::to(&node).with(offer, "graphql-ws").also(offer, "graphql-transport-ws"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 101);
        assert_eq!(reply.header(offer), Some("graphql-transport-ws"));
    }

    node.stop().await;
}

#[actix_web::test]
async fn what_is_no_handshake_is_refused_with_words_and_the_version_that_is_spoken() {
    let node = TestNode::start().await;

    for handshake in [
        Handshake::to(&node).without("Sec-WebSocket-Key"),
        Handshake::to(&node).without("Sec-WebSocket-Version"),
        Handshake::to(&node).with("Sec-WebSocket-Version", "12"),
        Handshake::to(&node).with("Connection", "keep-alive"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.header("sec-websocket-version"), Some("13"));
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_does_not_init_in_time_is_closed_with_4408() {
    let node = TestNode::start_with(&[("COSCRIBE__SESSION__INIT_WITHIN", "100ms")]).await;
    let mut socket = Handshake::to(&node).open().await;

    // Being alive is not enough.
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));

    let timeout = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(socket.closed().await, timeout);
    node.stop().await;
}

#[actix_web::test]
async fn an_admitted_client_may_take_its_time() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__INIT_WITHIN", "50ms"),
        ("COSCRIBE__SESSION__PING_EVERY", "80ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "5s"),
    ])
    .await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    // The first ping goes out after the time for the init has passed.
    assert_eq!(socket.receive().await, Received::Ping(vec![]));
    socket.lives().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_second_init_closes_with_4429() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let too_many = (4429, "Too many initialisation requests".to_owned());
    let init = json!({ "type": "connection_init", "payload": { "token": alice.token } });

    let mut after_the_ack = RawSocket::admitted(&node, &alice).await;
    after_the_ack.say(init.clone()).await;
    assert_eq!(after_the_ack.closed().await, too_many);

    // Both in one piece, so that the first cannot have been answered.
    let mut before_the_ack = Handshake::to(&node).open().await;
    let frame = Frame::text(&init.to_string()).bytes();
    before_the_ack.send_bytes(&frame.repeat(2)).await;
    assert_eq!(before_the_ack.closed().await, too_many);

    node.stop().await;
}

#[actix_web::test]
async fn an_operation_before_the_ack_closes_with_4401() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let unauthorized = (4401, "Unauthorized".to_owned());

    let mut before_the_init = Handshake::to(&node).open().await;
    before_the_init.ask("1", "{ me { id } }").await;
    assert_eq!(before_the_init.closed().await, unauthorized);

    let mut by_the_upgrade =
        Handshake::to(&node).path(&format!("/graphql?token={}", alice.token)).open().await;
    by_the_upgrade.ask("1", "{ me { id } }").await;
    assert_eq!(by_the_upgrade.closed().await, unauthorized);

    node.stop().await;
}
