//! Documents: created, read, changed and deleted.

use coscribe::domain::DocumentId;
use futures_util::future::join_all;
use kit::{Client as _, Node as _, Pair, Person, Tab, TestNode};
use serde_json::{Value, json};

/// The id of a document that does not exist.
fn missing() -> DocumentId {
    DocumentId::new()
}

#[actix_web::test]
async fn a_document_is_created_with_or_without_a_text() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;

    let with_text = socket.create_document(" Project Alpha ", "Grüße, 世界 \u{1f30d}\r\n").await;
    let bare = "mutation { createDocument(title: \"Notes\") { id content version } }";
    let without = alice.run(bare, json!({})).await.value();

    let document = alice.read(with_text).await;
    assert_eq!(document["title"], "Project Alpha");
    assert_eq!(document["content"], "Grüße, 世界 \u{1f30d}\r\n");
    assert_eq!(document["version"], 1);
    assert_eq!(document["access"], "OWNER");
    assert_eq!(document["collaborators"], json!([]));
    assert_eq!(document["createdAt"], document["updatedAt"]);
    assert_eq!((&without["content"], &without["version"]), (&json!(""), &json!(1)));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_document_without_access_looks_like_a_missing_one() {
    let node = TestNode::start().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let foreign = alice.create_document("Project Alpha", "Welcome.").await;

    for document in [foreign, missing()] {
        assert_eq!(mallory.read(document).await, Value::Null);
        assert_eq!(mallory.write(document, "Mine").await.code(), "FORBIDDEN");
        assert_eq!(mallory.delete(document).await.code(), "FORBIDDEN");
    }
    let message = mallory.write(foreign, "Mine").await.error()["message"].clone();
    assert_eq!(mallory.write(missing(), "Mine").await.error()["message"], message);
    node.stop().await;
}

#[actix_web::test]
async fn an_invalid_id_is_bad_input() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    for id in ["", "not a key", "Üben", "00000000-0000-0000-0000-00000000000%"] {
        for operation in [
            "query($id: ID!) { document(id: $id) { id } }",
            "query($id: ID!) { node(id: $id) { id } }",
            "query($id: ID!) { documentPresence(documentId: $id) { color } }",
            "mutation($id: ID!) { updateDocument(id: $id, title: \"T\") { id } }",
            "mutation($id: ID!) { deleteDocument(id: $id) }",
            "mutation($id: ID!) { revokeAccess(documentId: $id, userId: $id) }",
        ] {
            let answer = alice.run(operation, json!({ "id": id })).await;
            assert_eq!(answer.code(), "BAD_USER_INPUT", "{operation} {id}");
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn an_object_is_found_by_its_id_unless_it_belongs_to_others() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let foreign = alice.create_document("Secret", "").await;
    let operation = "query($id: ID!) { node(id: $id) { __typename id
        ... on Document { title content owner { name } } ... on User { name } } }";
    let find = async |id: String| bob.run(operation, json!({ "id": id })).await.value();

    assert_eq!(
        find(document.to_string()).await,
        json!({
            "__typename": "Document", "id": document, "title": "Project Alpha",
            "content": "Welcome.", "owner": { "name": "Alice" }
        })
    );
    let himself = json!({ "__typename": "User", "id": bob.id, "name": "Bob" });
    assert_eq!(find(bob.id.to_string()).await, himself);
    // Alice owns a document that Bob may edit, and still her id tells nothing.
    for id in [alice.id.to_string(), foreign.to_string(), missing().to_string()] {
        assert_eq!(find(id).await, Value::Null);
    }
    alice.delete(document).await.value();
    assert_eq!(find(document.to_string()).await, Value::Null);

    let stranger = node.stranger().run(operation, json!({ "id": document })).await;
    assert_eq!(stranger.code(), "UNAUTHENTICATED");
    node.stop().await;
}

#[actix_web::test]
async fn an_object_that_cannot_be_found_leaves_the_other_fields_in_the_answer() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let operation = "{ bad: node(id: \"not a key\") { id } me { name } }";

    let reply = alice.send(&json!({ "query": operation })).await.json();

    assert_eq!(reply["data"], json!({ "bad": null, "me": { "name": "Alice" } }));
    assert_eq!(reply["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    node.stop().await;
}

#[actix_web::test]
async fn the_texts_of_objects_count_in_the_complexity_of_an_operation() {
    let Pair { node, alice, document, .. } = Pair::start().await;
    let operation = |texts: usize| {
        let fields = (0..texts).map(|n| format!("c{n}: content ")).collect::<String>();
        format!("query($id: ID!) {{ node(id: $id) {{ ... on Document {{ {fields} }} }} }}")
    };
    let variables = json!({ "id": document });
    assert!(alice.run(&operation(39), variables.clone()).await.is_ok());
    assert_eq!(alice.run(&operation(40), variables).await.code(), "BAD_USER_INPUT");
    node.stop().await;
}

#[actix_web::test]
async fn a_document_that_is_not_open_can_be_changed_and_deleted() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    for version in 2..10 {
        let changed = bob.write(document, &format!("Text {version}")).await.value();
        assert_eq!(changed["version"], version);
        node.expect_metric("coscribe_rooms", 0).await;
    }

    assert_eq!(alice.delete(document).await.value(), true);

    assert_eq!(alice.read(document).await, Value::Null);
    assert_eq!(alice.delete(document).await.code(), "FORBIDDEN");
    assert_eq!(bob.write(document, "Too late").await.code(), "FORBIDDEN");
    node.stop().await;
}

#[actix_web::test]
async fn an_impossible_base_version_is_bad_input() {
    let Pair { node, alice, bob, document } = Pair::start().await;

    let future = bob.update(document, json!({ "content": "New", "baseVersion": 2 })).await;
    assert_eq!(future.code(), "BAD_USER_INPUT");
    assert_eq!(future.error()["extensions"]["head"], 1);
    for base in [json!(-1), json!(i64::MIN), json!(1.5), json!("1")] {
        let refused = bob.update(document, json!({ "content": "New", "baseVersion": base })).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{base}");
    }

    assert_eq!(alice.read(document).await["version"], 1);
    node.stop().await;
}

#[actix_web::test]
async fn invalid_titles_and_texts_are_refused() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__DOCUMENT", "1000")]).await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let document = alice.create_document(&"t".repeat(200), &"ä".repeat(500)).await;
    let before = alice.read(document).await;

    for bad in [
        json!({ "title": "" }),
        json!({ "title": "  \t " }),
        json!({ "title": "t".repeat(201) }),
        json!({ "title": "t".repeat(100_000) }),
        json!({ "title": "two\nlines" }),
        json!({ "title": "fdp.\u{202e}exe" }),
        json!({ "title": "invis\u{2060}ible" }),
        json!({ "title": "nul\0" }),
        json!({ "content": "nul\0" }),
        json!({ "content": "ä".repeat(501) }),
        json!({ "content": "a".repeat(100_000) }),
        json!({ "title": "Good", "content": "nul\0" }),
        json!({}),
    ] {
        let case = format!("{:.60}", bad.to_string());
        let over_http = alice.update(document, bad.clone()).await;
        assert_eq!(over_http.code(), "BAD_USER_INPUT", "{case}");
        let over_socket = socket.update(document, bad).await;
        assert_eq!(over_socket.error()["message"], over_http.error()["message"], "{case}");
    }
    let create = "mutation($title: String!, $content: String) {
        createDocument(title: $title, content: $content) { id } }";
    for bad in [json!({ "title": " " }), json!({ "title": "T", "content": "a".repeat(1_001) })] {
        assert_eq!(socket.run(create, bad).await.code(), "BAD_USER_INPUT");
    }

    assert_eq!(alice.read(document).await, before);
    let listed = alice.run("{ documents { nodes { id } } }", json!({})).await.value();
    assert_eq!(listed["nodes"], json!([{ "id": document }]));
    drop(socket);
    node.stop().await;
}

/// Alice and seven others, each with a tab of one document.
async fn eight_tabs(node: &TestNode) -> (Person, DocumentId, Vec<Tab>) {
    let alice = node.person("Alice").await;
    let document = alice.create_document("Project Alpha", "Welcome.").await;
    let mut tabs = vec![alice.open(document).await];
    for number in 1..8 {
        let person = node.person(&format!("Writer {number}").replace(' ', "-")).await;
        alice.grant(document, &person, "EDIT").await.value();
        tabs.push(person.open(document).await);
    }
    (alice, document, tabs)
}

#[actix_web::test]
async fn eight_edits_of_one_version_are_all_kept() {
    let node = TestNode::start().await;
    let (alice, document, tabs) = eight_tabs(&node).await;
    alice.write(document, "A line for all:\n").await.value();

    let writes = tabs.iter().enumerate().map(|(number, tab)| {
        let content = format!("A line for all:\nand one of {number}.\n");
        tab.update(document, json!({ "content": content, "baseVersion": 2 }))
    });
    let answers = join_all(writes).await;

    let mut versions: Vec<_> =
        answers.into_iter().map(|answer| answer.value()["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (3..3 + 8).collect::<Vec<_>>());
    let merged = alice.read(document).await["content"].as_str().unwrap().to_owned();
    for number in 0..8 {
        assert_eq!(merged.matches(&format!("and one of {number}.\n")).count(), 1, "{merged}");
    }
    assert_eq!(merged.lines().count(), 1 + 8, "{merged}");
    drop(tabs);
    node.stop().await;
}

#[actix_web::test]
async fn concurrent_writes_make_versions_without_gaps() {
    let node = TestNode::start().await;
    let (alice, document, mut tabs) = eight_tabs(&node).await;
    let reader = tabs.remove(0);

    let writes = tabs.iter().map(|tab| async {
        for number in 0..5 {
            tab.write(document, &format!("Text {number} of {}", tab.session())).await.value();
        }
    });
    join_all(writes).await;

    let last = 1 + 7 * 5;
    let mut seen = Value::Null;
    for version in 2..=last {
        seen = reader.expect_version(version).await;
    }
    let document = alice.read(document).await;
    assert_eq!(document["version"], last);
    assert_eq!(document["content"], seen["content"]);
    drop((tabs, reader));
    node.stop().await;
}
