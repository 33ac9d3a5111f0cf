//! Small operations with large answers.

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Person, TestNode};
use serde_json::json;

/// The most bytes that an event or a refusal may leave in all outboxes.
const SMALL: u64 = 4 * 1024 * 1024;

fn aliases(count: usize, field: &str) -> String {
    (0..count).map(|n| format!("a{n}:{field} ")).collect()
}

/// Checks that a user who only edits their own document is not refused.
async fn expect_served(bystander: &Person) {
    let document = bystander.create_document("Mine", "text").await;
    let edit = "mutation($id: ID!) { updateDocument(id: $id, content: \"other\") { version } }";
    assert_eq!(bystander.run(edit, json!({ "id": document })).await.value()["version"], 2);
}

/// Subscribes to changes with a selection, has them rendered for one edit of 60 kB, and checks that the subscription ends and
/// nothing of the event is kept.
async fn expect_repetitive(selection: &str) {
    let node = TestNode::start().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_shared_document(&[&mallory]).await;
    let mut reader = mallory.connect_raw().await;
    let subscribe =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {selection} }} }}");
    reader.start("s", &subscribe).await;
    node.expect_seats(1).await;

    let text = "x".repeat(60_000);
    let edit = "mutation($id: ID!, $text: String!) { updateDocument(id: $id, content: $text) { version } }";
    let stored = alice.run(edit, json!({ "id": document, "text": text })).await;

    assert_eq!(stored.value()["version"], 2);
    let ended = reader.expect_message().await;
    assert_eq!(
        (ended["id"].as_str(), ended["type"].as_str()),
        (Some("s"), Some("error")),
        "{ended}"
    );
    assert_eq!(ended["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert!(node.metric("coscribe_outbox_bytes").await < SMALL);
    expect_served(&alice).await;
    drop(reader);
    node.stop().await;
}

#[actix_web::test]
async fn copies_of_an_update_end_their_subscription() {
    expect_repetitive(&aliases(150, "update")).await;
}

#[actix_web::test]
async fn copies_of_an_insertion_end_their_subscription() {
    expect_repetitive(&format!("delta {{ {} }}", aliases(150, "insert"))).await;
}

#[actix_web::test]
async fn copies_of_a_delta_end_their_subscription() {
    expect_repetitive(&aliases(90, "delta { insert }")).await;
}

#[actix_web::test]
async fn copies_of_a_text_end_their_subscription() {
    expect_repetitive(&aliases(30, "content")).await;
}

#[actix_web::test]
async fn each_large_field_of_an_event_may_be_selected_once() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    let mut reader = bob.connect_raw().await;
    let subscribe = format!(
        "subscription {{ documentChanged(documentId: \"{document}\") {{
            content update delta {{ retain insert delete __typename }} }} }}"
    );
    reader.start("s", &subscribe).await;
    node.expect_seats(1).await;
    // Longer than everything that may be repeated.
    let text = "\u{1}\"x".repeat(700_000);
    let edit = "mutation($id: ID!, $text: String!) { updateDocument(id: $id, content: $text) { version } }";
    assert!(alice.run(edit, json!({ "id": document, "text": text })).await.is_ok());

    let change = reader.expect_next("s").await;
    assert_eq!(change["content"].as_str().unwrap(), text);
    let insert = json!({ "retain": null, "insert": text, "delete": null, "__typename": "DeltaOp" });
    assert_eq!(change["delta"], json!([insert]));
    assert!(change["update"].as_str().unwrap().len() > text.len());
    drop(reader);
    node.stop().await;
}

/// Returns an operation that reads the text of a document several times.
fn copies_of(document: DocumentId, count: usize) -> String {
    format!("{{ document(id: \"{document}\") {{ {} }} }}", aliases(count, "content"))
}

#[actix_web::test]
async fn an_answer_is_bounded_in_bytes() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "200000"),
        ("COSCRIBE__LIMITS__ANSWER", "2300000"),
    ])
    .await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    // Six bytes of JSON each.
    let document = mallory.create_document("Mine", &"\u{1}".repeat(190_000)).await;
    let socket = mallory.connect().await;

    let refused = mallory.run(&copies_of(document, 3), json!({})).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&copies_of(document, 3), json!({})).await.code(), "BAD_USER_INPUT");
    let at = format!(
        "{{ documentAt(documentId: \"{document}\", version: 1) {{ {} }} }}",
        aliases(3, "content")
    );
    assert_eq!(mallory.run(&at, json!({})).await.code(), "BAD_USER_INPUT");
    let texts: String =
        (0..3).map(|n| format!("d{n}: document(id: \"{document}\") {{ content }} ")).collect();
    assert_eq!(mallory.run(&format!("{{ {texts} }}"), json!({})).await.code(), "BAD_USER_INPUT");

    assert!(mallory.run(&copies_of(document, 1), json!({})).await.is_ok());
    expect_served(&alice).await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_mutation_whose_answer_is_too_large_says_that_it_may_be_stored() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "200000"),
        ("COSCRIBE__LIMITS__ANSWER", "2300000"),
    ])
    .await;
    let mallory = node.person("Mallory").await;
    let document = mallory.create_document("Mine", "").await;
    let edit = format!(
        "mutation($id: ID!, $text: String!) {{ updateDocument(id: $id, content: $text) {{ version {} }} }}",
        aliases(3, "content")
    );
    let variables = json!({ "id": document, "text": "\u{1}".repeat(190_000) });

    let refused = mallory.run(&edit, variables).await;

    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.error()["message"].as_str().unwrap();
    assert!(message.contains("may have been carried out"), "{message}");
    let read = format!("{{ document(id: \"{document}\") {{ version }} }}");
    assert_eq!(mallory.run(&read, json!({})).await.value()["version"], 2);
    node.stop().await;
}

#[actix_web::test]
async fn the_schema_with_aliases_is_refused_to_a_stranger() {
    // Long texts count many times.
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")]).await;
    let alice = node.person("Alice").await;
    for operation in [
        format!("{{ __schema {{ types {{ fields {{ {} }} }} }} }}", aliases(1_900, "name")),
        format!(
            "{{ __schema {{ types {{ {} }} }} }}",
            aliases(600, "fields { name args { name } }")
        ),
        format!("{{ {} }}", aliases(190, "__schema { types { fields { type { name } } } }")),
        format!(
            "{{ __schema {{ types {{ {} }} }} }} fragment F on __Type {{ __typename }}",
            "...F ".repeat(33)
        ),
        // Few selections, but thousands of values for each.
        format!("{{ __schema {{ types {{ fields {{ {} }} }} }} }}", aliases(200, "name")),
        format!("{{ __schema {{ types {{ {} }} }} }}", aliases(100, "fields { name description }")),
    ] {
        let refused = node.stranger().run(&operation, json!({})).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{}", &operation[..60]);
    }
    expect_served(&alice).await;
    node.stop().await;
}

#[actix_web::test]
async fn the_whole_schema_is_answered() {
    let node = TestNode::start().await;
    let types = "kind name description fields(includeDeprecated: true) { name description isDeprecated deprecationReason
        args { name description defaultValue type { ...T } } type { ...T } } inputFields { name description defaultValue
        type { ...T } } interfaces { ...T } enumValues(includeDeprecated: true) { name description isDeprecated
        deprecationReason } possibleTypes { ...T }";
    let reference = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
    let operation = format!(
        "{{ __schema {{ queryType {{ name }} mutationType {{ name }} types {{ {types} }}
            directives {{ name description locations args {{ name type {{ ...T }} }} }} }} }}
         fragment T on __Type {{ {reference} }}"
    );
    let schema = node.stranger().run(&operation, json!({})).await;
    assert!(schema.is_ok(), "{:?}", schema.errors());
    node.stop().await;
}

#[actix_web::test]
async fn a_server_may_show_its_schema_to_users_only() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__PUBLIC_SCHEMA", "false")]).await;
    let alice = node.person("Alice").await;
    let stranger = node.stranger();
    for operation in [
        "{ __schema { queryType { name } } }",
        "{ type: __type(name: \"User\") { name } }",
        "{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
    ] {
        let refused = stranger.run(operation, json!({})).await;
        assert_eq!(refused.code(), "UNAUTHENTICATED", "{operation}");
        assert!(alice.run(operation, json!({})).await.is_ok());
    }
    let socket = alice.connect().await;
    assert!(socket.run("{ __schema { queryType { name } } }", json!({})).await.is_ok());
    // Everything else is open to strangers as before.
    assert_eq!(stranger.run("{ __typename }", json!({})).await.value(), "Query");
    drop(socket);
    node.stop().await;
}
