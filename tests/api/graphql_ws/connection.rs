//! The connection, from the handshake to `connection_ack`.

use kit::{Frame, Node as _, ServerFrame, TestNode, TokenMinter};
use serde_json::json;

#[actix_web::test]
async fn the_ack_names_session_user_token_expiry_and_heartbeat() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = node.handshake().open_raw().await;

    let ack = socket.init(&alice.token).await;

    let keys: Vec<_> = ack.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["heartbeat", "sessionId", "tokenExpiresAt", "userId"]);
    assert_eq!(ack["userId"], json!(alice.id));
    assert_eq!(ack["heartbeat"], json!({ "pingEvery": 30_000, "silenceAllowed": 90_000 }));
    let session: uuid::Uuid = ack["sessionId"].as_str().unwrap().parse().unwrap();
    assert_eq!(session.get_version_num(), 7);
    let expires_at = ack["tokenExpiresAt"].as_str().unwrap();
    let expires_at = chrono::DateTime::parse_from_rfc3339(expires_at).unwrap();
    let lifetime = expires_at.signed_duration_since(chrono::Utc::now()).num_minutes();
    assert!((58..=60).contains(&lifetime), "{lifetime}");

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_in_the_upgrade_makes_the_init_payload_optional() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let bearer = format!("Bearer {}", alice.token);

    for handshake in [
        node.handshake().header("Authorization", &bearer),
        node.handshake().header("Authorization", &bearer.replace("Bearer", "bearer")),
        node.handshake().token_in_address(&alice.token),
    ] {
        let mut socket = handshake.open_raw().await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.expect_ack().await["userId"], json!(alice.id));
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_bad_token_is_refused_before_the_upgrade() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let expired = TokenMinter::of(&node).expired(alice.id);

    for handshake in [
        node.handshake().header("Authorization", "Bearer nonsense"),
        node.handshake().header("Authorization", &format!("Bearer {expired}")),
        node.handshake().header("Authorization", "Basic YTpi"),
        node.handshake().token_in_address("nonsense"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));
    }

    node.stop().await;
}

#[actix_web::test]
async fn another_origin_is_refused_before_the_upgrade() {
    let node = TestNode::start().await;

    let reply = node.handshake().header("Origin", "https://evil.example").send().await;
    assert_eq!(reply.status, 403);

    let own = node.url("");
    let reply = node.handshake().header("Origin", &own).send().await;
    assert_eq!(reply.status, 101);

    drop(reply);
    node.stop().await;
}

#[actix_web::test]
async fn an_unsupported_subprotocol_closes_with_4406() {
    let node = TestNode::start().await;
    let refused = (4406, "Subprotocol not acceptable".to_owned());

    for handshake in [
        node.handshake().without("Sec-WebSocket-Protocol"),
        node.handshake().replace("Sec-WebSocket-Protocol", "graphql-ws"),
        node.handshake().replace("Sec-WebSocket-Protocol", "graphql-transport-ws2, soap"),
    ] {
        assert_eq!(handshake.open_raw().await.expect_close().await, refused);
    }

    node.stop().await;
}

#[actix_web::test]
async fn the_subprotocol_is_selected_among_others_and_named_in_the_reply() {
    let node = TestNode::start().await;
    let ours = node.handshake();
    let offer = "Sec-WebSocket-Protocol";

    for handshake in [
        ours,
        node.handshake().replace(offer, "graphql-ws,  graphql-transport-ws"),
        node.handshake().replace(offer, "graphql-ws").header(offer, "graphql-transport-ws"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 101);
        assert_eq!(reply.header(offer), Some("graphql-transport-ws"));
    }

    node.stop().await;
}

#[actix_web::test]
async fn an_invalid_handshake_is_refused_with_the_supported_version() {
    let node = TestNode::start().await;

    for handshake in [
        node.handshake().without("Sec-WebSocket-Key"),
        node.handshake().without("Sec-WebSocket-Version"),
        node.handshake().replace("Sec-WebSocket-Version", "12"),
        node.handshake().replace("Connection", "keep-alive"),
    ] {
        let reply = handshake.send().await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.header("sec-websocket-version"), Some("13"));
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_does_not_init_in_time_is_closed_with_4408() {
    let node = TestNode::start_with(&[("COSCRIBE__SESSION__INIT_WITHIN", "3s")]).await;
    let mut socket = node.handshake().open_raw().await;

    // A ping does not extend the time for the init.
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.expect_message().await, json!({ "type": "pong" }));

    let timeout = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(socket.expect_close().await, timeout);
    node.stop().await;
}

#[actix_web::test]
async fn an_admitted_client_is_not_subject_to_the_init_timeout() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__SESSION__INIT_WITHIN", "3s"),
        ("COSCRIBE__SESSION__PING_EVERY", "4s"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "60s"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    // The first ping arrives after the time for the init has passed.
    assert_eq!(socket.expect_frame().await, ServerFrame::Ping(vec![]));
    socket.expect_alive().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_second_init_closes_with_4429() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let too_many = (4429, "Too many initialisation requests".to_owned());
    let init = json!({ "type": "connection_init", "payload": { "token": alice.token } });

    let mut after_the_ack = alice.connect_raw().await;
    after_the_ack.send(init.clone()).await;
    assert_eq!(after_the_ack.expect_close().await, too_many);

    // Both in one write, so that the node reads the second before it has answered the first.
    let mut before_the_ack = node.handshake().open_raw().await;
    let frame = Frame::text(&init.to_string()).bytes();
    before_the_ack.send_bytes(&frame.repeat(2)).await;
    assert_eq!(before_the_ack.expect_close().await, too_many);

    node.stop().await;
}

#[actix_web::test]
async fn an_operation_before_the_ack_closes_with_4401() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let unauthorized = (4401, "Unauthorized".to_owned());

    let mut before_the_init = node.handshake().open_raw().await;
    before_the_init.start("1", "{ me { id } }").await;
    assert_eq!(before_the_init.expect_close().await, unauthorized);

    let mut by_the_upgrade = node.handshake().token_in_address(&alice.token).open_raw().await;
    by_the_upgrade.start("1", "{ me { id } }").await;
    assert_eq!(by_the_upgrade.expect_close().await, unauthorized);

    node.stop().await;
}
