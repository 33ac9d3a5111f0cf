//! Bodies: reading the content of root types as JSON, replacing it, and creating documents with it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, Pair, Person, new_doc};
use serde_json::{Value, json};
use yrs::{
    Doc, ReadTxn as _, StateVector, Text as _, Transact as _, Update, updates::decoder::Decode as _,
};

const REPLACE: &str = "mutation($id: ID!, $body: JSON!, $base: Int!, $root: String, $kind: BodyKind, $name: ID) {
    replaceBody(documentId: $id, body: $body, baseVersion: $base, root: $root, kind: $kind, mutationId: $name) { version } }";

async fn replace(person: &Person, document: DocumentId, variables: Value) -> Answer {
    let mut variables = variables;
    variables["id"] = json!(document);
    person.run(REPLACE, variables).await
}

async fn version(person: &Person, document: DocumentId) -> i64 {
    person.read(document).await["version"].as_i64().unwrap()
}

/// Returns the content of a root type now.
async fn body(person: &Person, document: DocumentId, root: Option<&str>) -> Value {
    let version = version(person, document).await;
    let operation = "query($id: ID!, $version: Int!, $root: String) {
        documentAt(documentId: $id, version: $version) { body(root: $root) } }";
    let variables = json!({ "id": document, "version": version, "root": root });
    person.run(operation, variables).await.value()["body"].clone()
}

async fn create(person: &Person, variables: Value) -> Answer {
    let operation = "mutation($content: String, $body: JSON, $root: String, $update: Bytes) {
        createDocument(title: \"Plan\", content: $content, body: $body, root: $root, update: $update) { id content } }";
    person.run(operation, variables).await
}

/// Returns the whole state of a page, in base64.
fn state_of(page: &Doc) -> String {
    STANDARD.encode(page.transact().encode_state_as_update_v1(&StateVector::default()))
}

fn paragraph(text: &str) -> Value {
    json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] })
}

#[actix_web::test]
async fn a_tree_is_written_read_and_replaced_at_its_base() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let first = version(alice, *document).await;
    assert_eq!(body(alice, *document, Some("default")).await, Value::Null);

    let tree = json!({ "type": "doc", "content": [paragraph("One"), paragraph("Two")] });
    let written = json!({ "body": tree, "base": first, "root": "default", "name": "first" });
    let stored = replace(alice, *document, written.clone()).await.value();
    let base = stored["version"].as_i64().unwrap();
    assert_eq!(base, first + 1);
    assert_eq!(body(alice, *document, Some("default")).await, tree["content"]);
    // The body of this document is its text.
    assert_eq!(body(alice, *document, None).await, json!([{ "insert": "Welcome." }]));
    // The same edit again is answered as the first time, and the same content stores nothing.
    assert_eq!(replace(alice, *document, written).await.value()["version"], base);
    let taken = json!({ "body": [], "base": first, "root": "default", "name": "first" });
    assert_eq!(replace(alice, *document, taken).await.code(), "CONFLICT");
    let same = json!({ "body": tree, "base": base, "root": "default" });
    assert_eq!(replace(bob, *document, same).await.value()["version"], base);

    // Two users change different paragraphs of the same version.
    let alices = json!([paragraph("One!"), paragraph("Two")]);
    let bobs = json!([paragraph("One"), paragraph("And two"), { "type": "rule" }]);
    replace(alice, *document, json!({ "body": alices, "base": base, "root": "default" }))
        .await
        .value();
    replace(bob, *document, json!({ "body": bobs, "base": base, "root": "default" })).await.value();
    let merged = json!([paragraph("One!"), paragraph("And two"), { "type": "rule" }]);
    assert_eq!(body(alice, *document, Some("default")).await, merged);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_formatted_text_reaches_editors_as_a_difference() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    alice.write(*document, "Hello").await.value();
    let editor = bob.open_editor(*document).await;
    editor.expect_text("Hello").await;
    let steps =
        json!([{ "insert": "Hello " }, { "insert": "Bob", "attributes": { "bold": true } }]);
    let base = version(alice, *document).await;
    replace(alice, *document, json!({ "body": steps, "base": base })).await.value();
    editor.expect_text("Hello Bob").await;
    assert_eq!(alice.read_text(*document).await, "Hello Bob");
    assert_eq!(body(alice, *document, Some("content")).await, steps);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn the_text_of_any_body_is_read_whether_it_is_kept_or_not() {
    let Pair { node, alice, .. } = Pair::start().await;
    let texts = async |id: DocumentId, version: i64| {
        let mut texts = vec![];
        for operation in [
            "query($id: ID!) { document(id: $id) { content } }",
            "query($id: ID!, $version: Int!) {
                documentAt(documentId: $id, version: $version) { content } }",
            "query($id: ID!) { exportDocument(documentId: $id) { text } }",
        ] {
            let variables = match operation.contains("$version") {
                true => json!({ "id": id, "version": version }),
                false => json!({ "id": id }),
            };
            texts.push(alice.run(operation, variables).await.value());
        }
        Value::Array(texts)
    };
    let tree = json!([
        paragraph("One"),
        { "type": "image", "attrs": { "src": "a.png" } },
        { "type": "quote", "content": [paragraph("Two")] },
    ]);
    let created = create(&alice, json!({ "body": tree, "root": "default" })).await.value();
    let id: DocumentId = created["id"].as_str().unwrap().parse().unwrap();
    let shown = |text: &str, earlier: &str| {
        json!([
            { "content": text },
            { "content": earlier },
            { "text": text },
        ])
    };
    assert_eq!(texts(id, 1).await, shown("One\nTwo", "One\nTwo"));

    // The snapshot of the room has the text of the second version.
    let written = json!({ "body": [paragraph("Three")], "base": 1, "root": "default" });
    assert_eq!(replace(&alice, id, written).await.value()["version"], 2);
    node.expect_rooms_closed().await;
    assert_eq!(texts(id, 1).await, shown("Three", "One\nTwo"));

    // Deltas refer to the root type `content`, which has no text.
    for operation in [
        "editDocument(documentId: $id, baseVersion: 2, delta: [{ insert: \"Mine\" }])",
        "updateDocument(id: $id, content: \"Threefold\")",
    ] {
        let mutation = format!("mutation($id: ID!) {{ {operation} {{ version }} }}");
        let answer = alice.run(&mutation, json!({ "id": id })).await;
        let message = answer.error()["message"].as_str().unwrap();
        assert!(message.contains("\"default\""), "{message}");
    }
    assert_eq!(texts(id, 2).await, shown("Three", "Three"));
    node.stop().await;
}

#[actix_web::test]
async fn a_document_is_created_with_a_body_or_an_update() {
    let Pair { node, alice, .. } = Pair::start().await;
    let tree = json!([paragraph("One")]);
    let created = create(&alice, json!({ "body": tree, "root": "default" })).await.value();
    let id: DocumentId = created["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(body(&alice, id, None).await, tree);

    let operation = "query($id: ID!) { documentAt(documentId: $id, version: 1) { update } }";
    let update = alice.run(operation, json!({ "id": id })).await.value()["update"].clone();
    // A copy of a document has its content and its body.
    let copy = create(&alice, json!({ "update": update })).await.value();
    let copy: DocumentId = copy["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(body(&alice, copy, None).await, tree);
    assert_eq!(alice.read(copy).await["content"], "One");
    let renamed = create(&alice, json!({ "update": update, "root": "notes" })).await.value();
    assert_eq!(renamed["content"], "");
    let back = "mutation($id: ID!) { takeBackChanges(documentId: $id, version: 1) { version } }";
    alice.run(back, json!({ "id": renamed["id"] })).await.value();
    let renamed: DocumentId = renamed["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(body(&alice, renamed, Some("default")).await, Value::Null);
    // A page that was closed with changes of the first document goes on with the copy.
    let page = new_doc();
    let state = STANDARD.decode(update.as_str().unwrap()).unwrap();
    page.transact_mut().apply_update(Update::decode_v1(&state).unwrap()).unwrap();
    page.get_or_insert_text("title").insert(&mut page.transact_mut(), 0, "Plan");
    let mutation = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    let variables = json!({ "id": copy, "update": state_of(&page) });
    assert_eq!(alice.run(mutation, variables).await.value()["version"], 2);
    assert_eq!(body(&alice, copy, Some("title")).await, json!([{ "insert": "Plan" }]));
    // A client id that only servers use, without the mark that they write.
    let crafted = Doc::with_client_id(1_u64 << 33);
    crafted.get_or_insert_text("content").insert(&mut crafted.transact_mut(), 0, "x");
    let refused = create(&alice, json!({ "update": state_of(&crafted) })).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.error()["message"].as_str().unwrap().contains("above 4294967295"));
    let update = "AQEJAAQBB2NvbnRlbnQCSGkA";
    let created = create(&alice, json!({ "update": update })).await.value();
    assert_eq!(created["content"], "Hi");
    let two = create(&alice, json!({ "content": "a", "body": [], "root": "x" })).await;
    assert_eq!(two.code(), "BAD_USER_INPUT");
    assert_eq!(create(&alice, json!({ "update": "AQ==" })).await.code(), "BAD_USER_INPUT");
    node.stop().await;
}

#[actix_web::test]
async fn the_body_that_was_named_at_creation_stays_the_body() {
    let Pair { node, alice, bob, .. } = Pair::start().await;
    let shown = async |id: DocumentId| {
        let now = alice.read(id).await;
        let operation = "query($id: ID!, $version: Int!) {
            documentAt(documentId: $id, version: $version) { content body } }";
        let variables = json!({ "id": id, "version": now["version"] });
        let at = alice.run(operation, variables).await.value();
        assert_eq!(at["content"], now["content"]);
        (at["content"].as_str().unwrap().to_owned(), at["body"].clone())
    };
    let id_of = |created: Value| created["id"].as_str().unwrap().parse::<DocumentId>().unwrap();

    // An empty document whose editor is Tiptap. What a page writes into other root types first is not the body.
    let id = id_of(create(&alice, json!({ "root": "prosemirror" })).await.value());
    alice.grant(id, &bob, "EDIT").await.value();
    let editor = bob.open_editor_with_receipts(id).await;
    editor.insert(0, "A title in the root type content").await;
    editor.expect_saved().await;
    assert_eq!(shown(id).await, (String::new(), Value::Null));
    let written = json!({ "body": [paragraph("One")], "base": version(&alice, id).await });
    replace(&alice, id, written).await.value();
    let expected = ("One".to_owned(), json!([paragraph("One")]));
    assert_eq!(shown(id).await, expected);
    for operation in [
        "editDocument(documentId: $id, baseVersion: 2, delta: [{ insert: \"Mine\" }])",
        "updateDocument(id: $id, content: \"Mine\")",
    ] {
        let mutation = format!("mutation($id: ID!) {{ {operation} {{ version }} }}");
        let answer = alice.run(&mutation, json!({ "id": id })).await;
        assert!(answer.error()["message"].as_str().unwrap().contains("\"prosemirror\""));
    }
    // A copy, and the document after its room has written a snapshot, have the same body.
    let copy = "mutation($id: ID!) { copyDocument(documentId: $id) { id } }";
    let copy = id_of(alice.run(copy, json!({ "id": id })).await.value());
    assert_eq!(shown(copy).await, expected);
    editor.close().await;
    node.expect_rooms_closed().await;
    assert_eq!(shown(id).await, expected);

    // The text stays the body although a tree has text as well.
    let id = id_of(create(&alice, json!({ "content": "Plain", "root": "content" })).await.value());
    let written = json!({ "body": [paragraph("Tree")], "base": 1, "root": "default" });
    replace(&alice, id, written).await.value();
    assert_eq!(shown(id).await.0, "Plain");

    for wrong in [
        json!({ "root": "" }),
        json!({ "root": "coscribe" }),
        json!({ "root": "x".repeat(201) }),
        json!({ "content": "text", "root": "prosemirror" }),
    ] {
        assert_eq!(create(&alice, wrong).await.code(), "BAD_USER_INPUT");
    }
    node.stop().await;
}

#[actix_web::test]
async fn wrong_trees_and_readers_are_refused() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let base = version(alice, *document).await;
    let refused = replace(
        alice,
        *document,
        json!({ "body": [{ "type": "p", "content": [7] }], "root": "x", "base": base }),
    )
    .await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.error()["message"].as_str().unwrap();
    assert_eq!(message, "`body[0].content[0]` is not a node.");
    for wrong in [
        json!({ "body": "text", "root": "x", "base": base }),
        json!({ "body": [paragraph("One")], "root": "content", "base": base }),
        json!({ "body": {}, "root": "coscribe", "base": base }),
        json!({ "body": {}, "root": "x", "base": base + 5 }),
        json!({ "body": [], "root": "x", "kind": "MAP", "base": base }),
    ] {
        assert_eq!(
            replace(alice, *document, wrong.clone()).await.code(),
            "BAD_USER_INPUT",
            "{wrong}"
        );
    }
    alice.grant(*document, bob, "VIEW").await.value();
    let reader = replace(bob, *document, json!({ "body": [], "root": "x", "base": base })).await;
    assert_eq!(reader.code(), "FORBIDDEN");
    assert_eq!(version(alice, *document).await, base);
    pair.stop(()).await;
}

#[actix_web::test]
async fn text_in_a_list_stops_no_query() {
    let pair = Pair::start().await;
    let Pair { alice, document, .. } = &pair;
    // A list in a map that holds the text of an emoji, which no editor writes.
    let mutation = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    let variables = json!({ "id": document, "update": "AQIDACcBAW0BdAAEAAMABPCfmIAA" });
    assert_eq!(alice.run(mutation, variables).await.value()["version"], 2);
    assert_eq!(body(alice, *document, Some("m")).await, json!({ "t": [{ "insert": "😀" }] }));
    for operation in [
        "query($id: ID!) { exportDocument(documentId: $id) { json text } }",
        "query($id: ID!) { compare(documentId: $id, from: 1, to: 2) { json } }",
        "query($id: ID!) { passages(documentId: $id) { endCursor } }",
        "mutation($id: ID!) { restoreDocument(documentId: $id, version: 1) { version } }",
    ] {
        alice.run(operation, json!({ "id": document })).await.value();
    }
    pair.stop(()).await;
}
