//! Documents: large ones, many of them, and those that nobody asked for.

use kit::Client as _;
use serde_json::json;

use super::Attacker;

const READ: &str = "query($id: ID!) { document(id: $id) { content } }";

/// Reads large texts, many at once.
pub(super) async fn large_texts(attacker: Attacker) {
    let document = attacker.create(&"x".repeat(attacker.size(300_000, 8_000_000))).await;
    attacker
        .repeat(attacker.size(16, 64), async || {
            attacker.ask(READ, json!({ "id": document })).await;
        })
        .await;
}

/// Creates large documents, opens each, and keeps them open.
pub(super) async fn open_documents(attacker: Attacker) {
    let text = "x".repeat(attacker.size(100_000, 8_000_000));
    let create =
        "mutation($text: String!) { createDocument(title: \"Mine\", content: $text) { id } }";
    let edit = "mutation($id: ID!) {
        editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: \"x\" }]) { version } }";
    let mut socket = attacker.person.connect_raw().await;
    for number in 0.. {
        let created = attacker.ask(create, json!({ "text": text })).await;
        let Some(id) = created["data"]["createDocument"]["id"].as_str() else { continue };
        if number < 120 {
            let open = format!("subscription {{ cursorMoved(documentId: \"{id}\") {{ color }} }}");
            socket.start(&number.to_string(), &open).await;
        }
        attacker.ask(edit, json!({ "id": id })).await;
    }
}

/// Restores a long text and an empty one by turns.
pub(super) async fn restorations(attacker: Attacker) {
    let document = attacker.create(&"x".repeat(attacker.size(100_000, 8_000_000))).await;
    attacker.person.write(document, "").await;
    let restore = "mutation($id: ID!, $version: Int!) {
        restoreDocument(documentId: $id, version: $version) { version } }";
    attacker
        .repeat(1, async || {
            for version in [1, 2] {
                attacker.ask(restore, json!({ "id": document, "version": version })).await;
            }
        })
        .await;
}

/// Creates documents and gives them to the bystander.
pub(super) async fn unwanted_grants(attacker: Attacker) {
    let create = "mutation { createDocument(title: \"BUY NOW\") { id } }";
    let grant = "mutation($id: ID!, $email: String!) {
        grantAccess(documentId: $id, level: VIEW, email: $email) { level } }";
    attacker
        .repeat(attacker.size(4, 16), async || {
            let created = attacker.ask(create, json!({})).await;
            let id = &created["data"]["createDocument"]["id"];
            attacker.ask(grant, json!({ "id": id, "email": attacker.target.email })).await;
        })
        .await;
}
