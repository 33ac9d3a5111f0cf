//! A text that may be stored can be sent: in one frame, over every interface.

use kit::{Client as _, Node as _, Pair, TestNode};
use serde_json::json;

#[actix_web::test]
async fn a_text_of_three_mebibytes_is_stored_from_one_frame_over_every_interface() {
    let pair = Pair::start().await;
    let socket = pair.bob.connect().await;
    let subscription = socket.subscribe("presenceUpdated", pair.document).await;
    let text = "The quick \"brown\" fox jumps over the lazy dog.\n".repeat(1 << 16);
    assert!(text.len() > 3 << 20);

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
    assert_eq!(joined["presenceUpdated"]["kind"], "JOINED");
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
