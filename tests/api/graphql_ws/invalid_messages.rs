//! Messages that the specification does not allow: they close the session with 4400.

use kit::{Frame, Node as _, Opcode, Person, TestNode};
use serde_json::{Value, json};

/// Sends a frame on a session of its own, which must close with 4400. Returns the reason.
async fn expect_refusal(alice: &Person, frame: Frame) -> String {
    let mut socket = alice.connect_raw().await;
    socket.send_frame(frame).await;
    let (code, reason) = socket.expect_close().await;
    assert_eq!(code, 4400, "{reason}");
    assert!(!reason.is_empty());
    reason
}

#[actix_web::test]
async fn malformed_messages_close_with_4400_and_a_reason() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    for (text, expected) in [
        ("", "not a JSON object"),
        ("hello", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("\"ping\"", "not a JSON object"),
        ("{", "not valid JSON"),
        ("{\"type\":\"ping\"} {}", "not valid JSON"),
        ("{\"type\":\"ping\",\"type\":\"pong\"}", "duplicate field"),
        ("{}", "\"type\""),
        ("{\"type\":7}", "\"type\""),
        ("{\"type\":\"start\"}", "Unknown type \"start\""),
        ("{\"type\":\"connection_ack\"}", "Only the server sends"),
        ("{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}", "Only the server sends"),
    ] {
        let reason = expect_refusal(&alice, Frame::text(text)).await;
        assert!(reason.contains(expected), "{text}: {reason}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn missing_or_invalid_fields_close_with_4400() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let payload = json!({ "query": "{ me { id } }" });
    let long = "x".repeat(257);

    for (message, expected) in [
        (json!({ "type": "subscribe", "payload": payload }), "\"id\" is missing"),
        (json!({ "type": "subscribe", "id": 1, "payload": payload }), "\"id\" is missing"),
        (json!({ "type": "subscribe", "id": null, "payload": payload }), "\"id\" is missing"),
        (json!({ "type": "subscribe", "id": "", "payload": payload }), "\"id\" has 0 bytes"),
        (json!({ "type": "subscribe", "id": long, "payload": payload }), "\"id\" has 257 bytes"),
        (json!({ "type": "complete" }), "\"id\" is missing"),
        (json!({ "type": "complete", "id": 1 }), "\"id\" is missing"),
        (json!({ "type": "subscribe", "id": "1" }), "\"payload\" of \"subscribe\""),
        (json!({ "type": "subscribe", "id": "1", "payload": [] }), "\"payload\" of \"subscribe\""),
        (json!({ "type": "subscribe", "id": "1", "payload": {} }), "`query`"),
        (subscribe(json!({ "query": 1 })), "\"query\" to be a string"),
        (subscribe(json!({ "query": "{a}", "variables": [] })), "\"variables\""),
        (subscribe(json!({ "query": "{a}", "operationName": 1 })), "\"operationName\""),
        (subscribe(json!({ "query": "{a}", "extensions": "x" })), "\"extensions\""),
        (json!({ "type": "ping", "payload": 1 }), "\"payload\" of \"ping\""),
        (json!({ "type": "pong", "payload": "x" }), "\"payload\" of \"pong\""),
    ] {
        let reason = expect_refusal(&alice, Frame::text(&message.to_string())).await;
        assert!(reason.contains(expected), "{message}: {reason}");
    }

    node.stop().await;
}

fn subscribe(payload: Value) -> Value {
    json!({ "type": "subscribe", "id": "1", "payload": payload })
}

#[actix_web::test]
async fn deep_nesting_is_refused_and_the_node_goes_on() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

    for text in [
        "[".repeat(200_000),
        "{\"a\":".repeat(200_000),
        format!("{{\"type\":\"connection_init\",\"payload\":{{\"a\":{}}}}}", deep(100_000)),
        format!(
            "{{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{{\"query\":\"{{me{{id}}}}\",\"variables\":{{\"a\":{}}}}}}}",
            deep(100_000)
        ),
    ] {
        expect_refusal(&alice, Frame::text(&text)).await;
    }

    alice.connect_raw().await.expect_alive().await;
    node.stop().await;
}

#[actix_web::test]
async fn binary_messages_follow_the_same_rules() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    for bytes in [&b"hello"[..], b"{\"type\":\"start\"}", b"{\"type\":\"ping\"\xFF}", b"\x00"] {
        expect_refusal(&alice, Frame::new(Opcode::Binary, bytes)).await;
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_malformed_message_before_the_ack_closes_with_4400() {
    let node = TestNode::start().await;
    let mut socket = node.handshake().open_raw().await;

    socket.send(json!({ "type": "connection_init", "payload": [] })).await;

    assert_eq!(socket.expect_close().await.0, 4400);
    node.stop().await;
}
