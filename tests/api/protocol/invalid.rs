//! Messages that the document does not know: 4400 at once.

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{Account, Frame, Handshake, Opcode, RawSocket},
};

async fn refused(node: &TestNode, alice: &Account, frame: Frame) -> String {
    let mut socket = RawSocket::admitted(node, alice).await;
    socket.send(frame).await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4400, "{reason}");
    assert!(!reason.is_empty());
    reason
}

#[actix_web::test]
async fn what_is_no_message_closes_with_4400_and_words() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;

    for (text, said) in [
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
        let reason = refused(&node, &alice, Frame::text(text)).await;
        assert!(reason.contains(said), "{text}: {reason}");
    }

    node.stop().await;
}

#[actix_web::test]
async fn what_is_missing_or_wrong_in_a_message_closes_with_4400() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let payload = json!({ "query": "{ me { id } }" });
    let long = "x".repeat(257);

    for (message, said) in [
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
        let reason = refused(&node, &alice, Frame::text(&message.to_string())).await;
        assert!(reason.contains(said), "{message}: {reason}");
    }

    node.stop().await;
}

fn subscribe(payload: Value) -> Value {
    json!({ "type": "subscribe", "id": "1", "payload": payload })
}

#[actix_web::test]
async fn deep_nesting_is_refused_and_stops_nothing() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
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
        refused(&node, &alice, Frame::text(&text)).await;
    }

    RawSocket::admitted(&node, &alice).await.lives().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_binary_message_is_held_to_the_same_rules() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;

    for bytes in [&b"hello"[..], b"{\"type\":\"start\"}", b"{\"type\":\"ping\"\xFF}", b"\x00"] {
        refused(&node, &alice, Frame::new(Opcode::Binary, bytes)).await;
    }

    node.stop().await;
}

#[actix_web::test]
async fn a_bad_message_before_the_ack_closes_with_4400_too() {
    let node = TestNode::start().await;
    let mut socket = Handshake::to(&node).open().await;

    socket.say(json!({ "type": "connection_init", "payload": [] })).await;

    assert_eq!(socket.closed().await.0, 4400);
    node.stop().await;
}
