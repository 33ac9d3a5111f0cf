//! Copies of documents: their content and metadata, and nothing else.

use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, Node as _, Pair, Person, TestNode};
use serde_json::{Value, json};

const COPY: &str = "mutation($id: ID!, $title: String, $key: String) {
    copyDocument(documentId: $id, title: $title, key: $key) {
        id title content version metadata key access owner { name } collaborators { level } } }";

async fn copy(person: &Person, document: DocumentId, changes: Value) -> Answer {
    let mut variables = changes;
    variables["id"] = json!(document);
    person.run(COPY, variables).await
}

#[actix_web::test]
async fn a_copy_has_the_content_and_the_metadata_of_the_original() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let metadata = json!({ "status": "draft" });
    alice.update(*document, json!({ "content": "Hello", "metadata": metadata })).await.value();

    let copied = copy(bob, *document, json!({})).await.value();

    let id: DocumentId = copied["id"].as_str().unwrap().parse().unwrap();
    assert_ne!(id, *document);
    let expected = json!({
        "id": id, "title": "Project Alpha", "content": "Hello", "version": 1, "metadata": metadata,
        "key": null, "access": "OWNER", "owner": { "name": "Bob" }, "collaborators": [],
    });
    assert_eq!(copied, expected);
    assert_eq!(alice.read(id).await, Value::Null);
    // Both go on by themselves, also in editors.
    let editor = bob.open_editor(id).await;
    editor.expect_text("Hello").await;
    editor.insert(0, "Copy: ").await;
    alice.write(*document, "Original").await.value();
    editor.expect_text("Copy: Hello").await;
    assert_eq!(alice.read_text(*document).await, "Original");
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_copy_gets_a_title_and_a_key_of_its_own() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let named = json!({ "title": "Second", "key": "second" });
    let copied = copy(&alice, document, named.clone()).await.value();
    assert_eq!((&copied["title"], &copied["key"]), (&json!("Second"), &json!("second")));
    assert_eq!(copy(&alice, document, named).await.code(), "CONFLICT");
    assert_eq!(copy(&alice, document, json!({ "title": "" })).await.code(), "BAD_USER_INPUT");
    alice.revoke(document, &bob).await.value();
    assert_eq!(copy(&bob, document, json!({})).await.code(), "FORBIDDEN");
    node.stop().await;
}

#[actix_web::test]
async fn copies_count_in_the_quotas_of_those_who_make_them() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__DOCUMENTS_PER_USER", "1")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    assert_eq!(copy(&alice, document, json!({})).await.code(), "QUOTA_EXCEEDED");
    copy(&bob, document, json!({})).await.value();
    assert_eq!(copy(&bob, document, json!({})).await.code(), "QUOTA_EXCEEDED");
    node.stop().await;
}
