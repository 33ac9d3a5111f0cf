//! A text that may be stored can be sent: in one frame, over every interface, and with what JavaScript makes of it.

use kit::{Client as _, Frame, HttpReply, Node as _, Pair, TestNode};
use serde_json::json;

#[actix_web::test]
async fn a_large_text_is_stored_from_one_frame_over_every_interface() {
    let pair = Pair::start().await;
    let socket = pair.bob.connect().await;
    let subscription = socket.subscribe("presenceUpdated", pair.document).await;
    let text = "The quick \"brown\" fox jumps over the lazy dog.\n".repeat(1 << 15);
    assert!(text.len() > 1 << 20);

    socket.update(pair.document, json!({ "content": text })).await.value();
    assert!(pair.alice.read_text(pair.document).await == text);
    pair.alice.update(pair.document, json!({ "content": "" })).await.value();
    pair.alice.update(pair.document, json!({ "content": text })).await.value();
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    editor.insert(0, &text).await;
    editor.expect_saved().await;
    assert_eq!(pair.alice.read_text(pair.document).await.len(), 2 * text.len());

    // The socket and its subscriptions go on.
    let joined = socket.expect_next(&subscription).await;
    assert_eq!(joined["kind"], "JOINED");
    pair.stop((socket, editor)).await;
}

#[actix_web::test]
async fn a_text_of_control_characters_that_fills_a_document_can_be_sent() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "100000"),
        ("COSCRIBE__LIMITS__FRAME", "700000"),
        ("COSCRIBE__LIMITS__MESSAGE", "700000"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Controls", "").await;
    let text = "\u{1}".repeat(100_000);
    assert!(json!(text).to_string().len() > 600_000, "six bytes each");
    let socket = alice.connect().await;

    socket.update(document, json!({ "content": text })).await.value();
    assert!(alice.read_text(document).await == text);
    alice.update(document, json!({ "content": "" })).await.value();
    alice.update(document, json!({ "content": text })).await.value();

    assert!(alice.read_text(document).await == text);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn half_a_surrogate_pair_is_stored_as_a_replacement_character() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let create = r#""query":"mutation($c: String!) { createDocument(title: \"T\", content: $c) { content } }""#;

    let payload = format!(r#"{{{create},"variables":{{"c":"cat \ud83d"}}}}"#);
    let subscribe = format!(r#"{{"id":"1","type":"subscribe","payload":{payload}}}"#);
    socket.send_frame(Frame::text(&subscribe)).await;
    let answer = socket.expect_message().await;
    assert_eq!(answer["payload"]["data"]["createDocument"]["content"], "cat \u{FFFD}");

    let long = payload.replace("cat", &"cat ".repeat(50_000));
    for (body, length) in [(payload, 5), (long, 200_002)] {
        let request = alice.post().header("Content-Type", "application/json").body(body);
        let answer = HttpReply::to(request).await.answer().value();
        let content = answer["content"].as_str().unwrap();
        assert_eq!((content.chars().count(), content.chars().last()), (length, Some('\u{FFFD}')));
    }
    drop(socket);
    node.stop().await;
}
