//! What users can do when the storage of a document's owner is full: shorten the text, and delete the history.

use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, Node as _, Pair, Person, TestNode, expect_eventually};
use serde_json::{Value, json};

const DELETE_HISTORY: &str = "mutation($id: ID!, $before: DateTime) {
    deleteHistory(documentId: $id, before: $before) { freedBytes hasMore bytes { used limit left } } }";

/// Inserts letters until the storage is full. Returns the refusal.
async fn fill(person: &Person, document: DocumentId) -> Value {
    loop {
        let edit = "mutation($id: ID!) {
            editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: \"y\" }]) { version } }";
        let inserted = person.run(edit, json!({ "id": document })).await;
        if !inserted.is_ok() {
            let error = inserted.error();
            assert_eq!(error["extensions"]["code"], "QUOTA_EXCEEDED", "{error}");
            return error.clone();
        }
    }
}

async fn bytes_left(owner: &Person) -> f64 {
    let operation = "{ me { usage { bytes { used limit } } } }";
    let bytes = owner.run(operation, json!({})).await.value()["usage"]["bytes"].take();
    bytes["limit"].as_f64().unwrap() - bytes["used"].as_f64().unwrap()
}

async fn delete_history(person: &Person, document: DocumentId) -> Answer {
    person.run(DELETE_HISTORY, json!({ "id": document })).await
}

#[actix_web::test]
async fn a_text_can_be_shortened_when_the_storage_is_full() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__BYTES_PER_USER", "24000")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    bob.write(document, &"x".repeat(9_000)).await.value();
    let refused = fill(&bob, document).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("24000") && message.contains("deleteHistory"), "{message}");

    for length in [8_000, 4_000, 3] {
        bob.write(document, &"x".repeat(length)).await.value();
    }
    alice.rename(document, "Short").await.value();

    assert_eq!(bob.read_text(document).await, "xxx");
    assert!(bytes_left(&alice).await < 0.0);
    // The history has the long text still, so there is no room for more.
    fill(&bob, document).await;
    assert_eq!(bob.read_text(document).await, "xxx");
    node.stop().await;
}

#[actix_web::test]
async fn a_yjs_editor_deletes_and_takes_back_when_the_storage_is_full() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__BYTES_PER_USER", "24000")]).await;
    let (alice, bob, document) = (&pair.alice, &pair.bob, pair.document);
    bob.write(document, &"x".repeat(9_000)).await.value();
    fill(bob, document).await;
    let editor = bob.open_editor_with_receipts(document).await;
    let length = u32::try_from(editor.content().len()).unwrap();
    assert!(length >= 9_000);

    editor.delete(0, 5_000).await;
    editor.expect_saved().await;
    expect_eventually("a shorter text", async || {
        alice.read_text(document).await.len() == editor.content().len()
    })
    .await;

    editor.insert(0, "more").await;
    editor.expect("a denial", |state| state.denials > 0).await;
    // The server asks for both together. They leave the text as it was.
    editor.delete(0, 4).await;
    editor.expect_saved().await;
    assert!(bytes_left(alice).await < 0.0);
    assert_eq!(alice.read_text(document).await, editor.content());
    pair.stop(editor).await;
}

#[actix_web::test]
async fn the_owner_makes_room_by_deleting_the_history_of_a_document() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__BYTES_PER_USER", "60000"),
        ("COSCRIBE__STORE__HISTORY_KEPT", "0s"),
        ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "1"),
    ])
    .await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    for _ in 0..2 {
        bob.write(document, &"x".repeat(9_000)).await.value();
        bob.write(document, "").await.value();
    }
    fill(&bob, document).await;
    let text = bob.read_text(document).await;
    assert_eq!(delete_history(&bob, document).await.code(), "FORBIDDEN");

    // A snapshot is stored in the background.
    expect_eventually("room for more", async || {
        let deleted = delete_history(&alice, document).await.value();
        assert_eq!(deleted["hasMore"], false);
        deleted["bytes"]["left"].as_f64().unwrap() > 30_000.0
    })
    .await;

    assert_eq!(bob.read_text(document).await, text);
    let old = "query($id: ID!) { documentAt(documentId: $id, version: 2) { content } }";
    assert_eq!(bob.run(old, json!({ "id": document })).await.code(), "BAD_USER_INPUT");
    bob.write(document, &"z".repeat(9_000)).await.value();
    node.stop().await;
}

#[actix_web::test]
async fn recent_changes_stay_when_the_history_is_deleted() {
    let node = TestNode::start_with(&[("COSCRIBE__ROOM__SNAPSHOT_EVERY", "1")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "one").await;
    for text in ["two", "three", "four"] {
        alice.write(document, text).await.value();
    }
    // The time of the request is limited by `store.history_kept`.
    let before = json!({ "id": document, "before": "2100-01-01T00:00:00Z" });

    let deleted = alice.run(DELETE_HISTORY, before).await.value();

    assert_eq!((&deleted["freedBytes"], &deleted["hasMore"]), (&json!(0.0), &json!(false)));
    let old = "query($id: ID!) { documentAt(documentId: $id, version: 2) { content } }";
    let old = alice.run(old, json!({ "id": document })).await.value();
    assert_eq!(old["content"], "two");
    node.stop().await;
}
