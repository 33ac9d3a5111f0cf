//! A user who works a lot meets no refusal.

use futures_util::future::join_all;
use kit::{Client as _, Node as _, TestNode};
use serde_json::{Value, json};

/// What a tab asks for when it opens.
const OPEN: &str = "query($id: ID!) { me { id name } documents(first: 20) { nodes { id title updatedAt } }
    document(id: $id) { id title content version access owner { id name } collaborators { level user { id name } }
        presence { sessionId user { id name } cursor { line column } } }
    documentHistory(documentId: $id) { nodes { fromVersion toVersion author { name } } } }";

#[actix_web::test]
async fn twenty_tabs_work_without_a_refusal() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "20")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let mut tabs = vec![];
    for number in 0..20 {
        let document = alice.create_document(&format!("Document {number}"), "text").await;
        alice.grant(document, &bob, "EDIT").await.value();
        let socket = alice.connect().await;
        for field in ["presenceUpdated", "documentChanged", "cursorMoved"] {
            socket.subscribe(field, document).await;
        }
        tabs.push((socket, document));
    }
    // All tabs at once, as when a browser restores its windows; each types a sentence and moves the cursor with each letter.
    join_all(tabs.iter().map(|(socket, document)| async move {
        let opened = socket.run(OPEN, json!({ "id": document })).await;
        assert!(opened.is_ok(), "{:?}", opened.errors());
        for (base, column) in (1..).zip(0..20) {
            socket.edit(*document, base, json!([{ "insert": "x" }])).await.value();
            socket.move_cursor(*document, 0, column).await.value();
        }
    }))
    .await;
    for (socket, document) in &tabs {
        assert_eq!(socket.read_version(*document).await, 21);
    }
    drop(tabs);
    node.stop().await;
}

#[actix_web::test]
async fn five_megabytes_are_pasted() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Long", "text").await;
    let tab = alice.open(document).await;
    let editor = alice.open_editor_with_receipts(document).await;
    let pasted = "Words of a long document. ".repeat(200_000);

    let delta = json!([{ "insert": pasted }]);
    assert_eq!(tab.edit(document, 1, delta).await.value()["version"], 2);
    editor.expect("the pasted text", |_state| editor.content().len() > pasted.len()).await;
    // And once more, in the editor.
    editor.insert(0, &pasted[..4_000_000]).await;
    assert_eq!(editor.expect_saved().await, 3);
    assert_eq!(alice.read_text(document).await.len(), pasted.len() + 4_000_004);
    editor.close().await;
    drop(tab);
    node.stop().await;
}

#[actix_web::test]
async fn five_hundred_documents_are_created_and_listed() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    // Four at a time, as an import does.
    join_all((0..4).map(|part| {
        let alice = &alice;
        async move {
            for number in 0..125 {
                let mut created = Value::Null;
                // An import that is faster than 100 documents a second waits, as for any server.
                while created.is_null() {
                    let operation = "mutation($title: String!) { createDocument(title: $title, content: \"text\") { id } }";
                    let title = format!("Document {part}-{number}");
                    let answer = alice.run(operation, json!({ "title": title })).await;
                    if answer.is_ok() {
                        created = answer.value();
                    } else {
                        assert_eq!(answer.code(), "RATE_LIMITED");
                    }
                }
            }
        }
    }))
    .await;
    let (mut listed, mut after) = (0, Value::Null);
    loop {
        let operation = "query($after: String) { documents(first: 100, after: $after) {
            nodes { id title version updatedAt access } pageInfo { endCursor hasNextPage } } }";
        let page = alice.run(operation, json!({ "after": after })).await.value();
        listed += page["nodes"].as_array().unwrap().len();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(listed, 500);
    node.stop().await;
}
