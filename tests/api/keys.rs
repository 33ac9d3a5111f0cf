//! The keys of documents: names that an application has chosen, sent wherever an id can be.

use kit::{Application, Client as _, Editor, Handshake, Node as _, Pair, Person, TestNode};
use serde_json::{Value, json};

async fn set_key(person: &Person, document: &Value, key: Value) -> kit::Answer {
    let operation = "mutation($id: ID!, $key: String) { updateDocument(id: $id, key: $key) { id key version } }";
    person.run(operation, json!({ "id": document, "key": key })).await
}

#[actix_web::test]
async fn a_document_is_named_by_its_key_wherever_its_id_can_be_sent() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let id = json!(document);
    let set = set_key(alice, &id, json!("wiki/page:1")).await.value();
    assert_eq!(set, json!({ "id": id, "key": "wiki/page:1", "version": 1 }));
    let key = json!({ "id": "wiki/page:1" });

    let read = bob.run("query($id: ID!) { document(id: $id) { id key } }", key.clone()).await;
    assert_eq!(read.value(), json!({ "id": id, "key": "wiki/page:1" }));
    let node_of = bob.run("query($id: ID!) { node(id: $id) { id } }", key.clone()).await;
    assert_eq!(node_of.value(), json!({ "id": id }));
    let tab = alice.connect().await;
    let operation =
        "subscription($id: ID!) { documentChanged(documentId: $id) { version documentId } }";
    tab.start_with("1", operation, key.clone()).await;
    let write = "mutation($id: ID!) { updateDocument(id: $id, content: \"Hello\") { version } }";
    let edit = "mutation($id: ID!) {
        editDocument(documentId: $id, baseVersion: 2, delta: [{ insert: \"a\" }]) { version } }";
    for (operation, version) in [(write, 2), (edit, 3)] {
        assert_eq!(bob.run(operation, key.clone()).await.value()["version"], version);
        let change = tab.expect_next("1").await;
        assert_eq!(change, json!({ "version": version, "documentId": id }));
    }

    // An editor encodes the key in its address, with a token or a ticket.
    let ticket = "mutation($id: ID!) { createTicket(documentId: $id) { ticket } }";
    let ticket = bob.run(ticket, key).await.value()["ticket"].as_str().unwrap().to_owned();
    let mut editors = vec![];
    for query in [format!("token={}", bob.token), format!("ticket={ticket}")] {
        let path = format!("/sync/wiki%2Fpage:1?{query}");
        let editor = Editor::open_by(Handshake::to_path(node.address(), &path)).await;
        editor.expect_text("aHello").await;
        editors.push(editor);
    }
    pair.stop((tab, editors)).await;
}

#[actix_web::test]
async fn a_key_of_others_looks_like_an_unknown_one_except_that_it_is_taken() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let mallory = node.person("Mallory").await;
    set_key(&alice, &json!(document), json!("secret")).await.value();
    let read = "query($id: ID!) { document(id: $id) { id } }";
    let write = "mutation($id: ID!) { updateDocument(id: $id, title: \"T\") { id } }";
    for operation in [read, write] {
        let mut replies = vec![];
        for id in ["secret", "unknown", &uuid::Uuid::now_v7().to_string()] {
            let body = json!({ "query": operation, "variables": { "id": id } });
            replies.push(mallory.send(&body).await.json());
        }
        assert_eq!(replies[0], replies[1]);
        assert_eq!(replies[0], replies[2]);
    }
    for key in ["secret", "unknown"] {
        let path = format!("/sync/{key}?token={}", mallory.token);
        let mut socket = Handshake::to_path(node.address(), &path).open_raw().await;
        assert_eq!(socket.expect_close().await.0, 4403, "{key}");
    }

    let create = "mutation($key: String) { createDocument(title: \"T\", key: $key) { key } }";
    let taken = mallory.run(create, json!({ "key": "secret" })).await;
    assert_eq!(taken.code(), "CONFLICT");
    let created = mallory.run(create, json!({ "key": "own" })).await.value();
    assert_eq!(created, json!({ "key": "own" }));
    for bad in ["", "a b", "ä", &"x".repeat(201), &document.to_string()] {
        assert_eq!(mallory.run(create, json!({ "key": bad })).await.code(), "BAD_USER_INPUT");
    }
    // Bob may edit, but does not own it.
    assert_eq!(set_key(&bob, &json!(document), json!("other")).await.code(), "FORBIDDEN");
    let both = "mutation($id: ID!) { updateDocument(id: $id, key: \"k\", title: \"T\") { id } }";
    let refused = alice.run(both, json!({ "id": document })).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let removed = set_key(&alice, &json!("secret"), Value::Null).await.value();
    assert_eq!(removed["key"], Value::Null);
    assert_eq!(alice.run(read, json!({ "id": "secret" })).await.value(), Value::Null);
    node.stop().await;
}

#[actix_web::test]
async fn a_document_token_names_documents_by_their_keys() {
    let Pair { node, alice, document, .. } = Pair::start().await;
    set_key(&alice, &json!(document), json!("wiki/1")).await.value();
    let wiki = Application::register(&node, "wiki").await;
    let grants = json!({ "documents": { "wiki/1": "EDIT", "wiki/2": "VIEW" } });
    let eve = node.person("Eve").await.with_token(wiki.token("Eve", grants));

    let operation = "query($id: ID!) { document(id: $id) { id access } }";
    let read = eve.run(operation, json!({ "id": "wiki/1" })).await.value();

    assert_eq!(read, json!({ "id": document, "access": "EDIT" }));
    node.stop().await;
}

#[actix_web::test]
async fn keys_survive_a_restart_and_are_listed() {
    let mut node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let create = "mutation { createDocument(title: \"T\", key: \"a\") { id } }";
    let id = alice.run(create, json!({})).await.value()["id"].clone();

    node.restart().await;
    let alice = alice.at(&node);

    let listed = alice.run("{ documents { nodes { id key } } }", json!({})).await.value();
    assert_eq!(listed["nodes"], json!([{ "id": id, "key": "a" }]));
    node.stop().await;
}
