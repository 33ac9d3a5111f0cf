//! Queries and mutations over the socket, and operations that are refused before they run.

use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, Node as _, TestNode, expect_eventually};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_query_and_a_mutation_are_answered_by_next_and_complete() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    let me = socket.run("1", "{ me { id name } }", json!({})).await;
    assert_eq!(me, json!({ "data": { "me": { "id": alice.id, "name": "Alice" } } }));

    let create = "mutation($title: String!) { createDocument(title: $title) { id title } }";
    let made = socket.run("2", create, json!({ "title": "Plan" })).await;
    assert_eq!(made["data"]["createDocument"]["title"], "Plan");

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_field_error_is_part_of_a_result() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    let rename = "mutation { updateDocument(id: \"0192f0c1-2345-7abc-8def-0123456789ab\", title: \"x\") { id } }";
    let response = socket.run("1", rename, json!({})).await;

    assert_eq!(response["data"], json!(null));
    let answer = Answer::executed(response);
    assert_eq!(answer.code(), "FORBIDDEN");
    assert_eq!(answer.error()["path"], json!(["updateDocument"]));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn operation_name_selects_one_of_several_operations() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let query = "query A { me { id } } query B { me { name } }";

    let payload = json!({ "query": query, "operationName": "B", "extensions": { "x": 1 } });
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;

    assert_eq!(socket.expect_answer("1").await, json!({ "data": { "me": { "name": "Alice" } } }));
    drop(socket);
    node.stop().await;
}

/// Operations that the node cannot run, and a part of the message about each.
fn invalid_operations(document: DocumentId) -> Vec<(Value, &'static str)> {
    let query = |text: &str| json!({ "query": text });
    let named = |text: &str, name: &str| json!({ "query": text, "operationName": name });
    let deep = |levels: usize| {
        let nested = "ofType { ".repeat(levels);
        format!("{{ __schema {{ types {{ {nested} name {} }} }} }}", "}".repeat(levels))
    };
    let long: String = (0..1_500).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let texts = |n: u32| format!("a{n}: document(id: \"{document}\") {{ content }} ");
    let costly: String = (0..60).map(texts).collect();
    let two = format!(
        "subscription {{ cursorMoved(documentId: \"{document}\") {{ sessionId }}
          presenceUpdated(documentId: \"{document}\") {{ kind }} }}"
    );
    let spread = format!(
        "subscription {{ ...F }} fragment F on Subscription {{
          a: cursorMoved(documentId: \"{document}\") {{ sessionId }}
          b: cursorMoved(documentId: \"{document}\") {{ sessionId }} }}"
    );
    vec![
        (query(""), ""),
        (query("{"), ""),
        (query("{ me { id }"), ""),
        (query("hello"), ""),
        (query("{ nobody }"), "nobody"),
        (query("{ me { password } }"), "password"),
        (query("{ me }"), "me"),
        (query("query($x: Int!) { me { id } }"), "x"),
        (query("{ document { id } }"), "id"),
        (query("{ document(id: \"1\", id: \"2\") { id } }"), ""),
        (query("subscription { nothing(documentId: \"1\") { kind } }"), "nothing"),
        (query(&deep(30)), "deep"),
        (query(&format!("{{ {long} }}")), "more than 2000 fields"),
        (query(&format!("{{ {costly} }}")), "complex"),
        (query(&format!("{{ me {{ id }} }} #{}", "x".repeat(70_000))), "65536"),
        (named("query A { me { id } }", "B"), "\"B\""),
        (named("{ me { id } }", "B"), "\"B\""),
        (query("query A { me { id } } query B { me { id } }"), "operationName"),
        (query(&two), "one root field"),
        (query(&spread), "one root field"),
        (query("subscription { __typename }"), "__typename"),
        (query("fragment F on User { id }"), ""),
        (query("{ ...F } fragment F on Query { ...F }"), ""),
    ]
}

#[actix_web::test]
async fn an_invalid_operation_ends_with_an_error_and_the_session_goes_on() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut socket = alice.connect_raw().await;

    // The id is free after each error, without a `complete`.
    for (payload, expected) in invalid_operations(document) {
        socket.send(json!({ "type": "subscribe", "id": "same", "payload": payload })).await;
        let answer = socket.expect_errors("same").await;
        let error = &answer.errors()[0];
        let message = error["message"].as_str().unwrap();
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        assert!(!message.is_empty() && message.contains(expected), "{expected} in {message}");
    }
    let me = socket.run("same", "{ me { id } }", json!({})).await;
    assert_eq!(me["data"]["me"]["id"], json!(alice.id));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn missing_or_mistyped_variables_are_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let query = "query($id: ID!) { document(id: $id) { title } }";

    for variables in [json!({}), json!({ "id": null }), json!({ "id": [1] }), json!({ "id": {} })] {
        socket.start_with("1", query, variables).await;
        assert_eq!(socket.expect_error("1").await, "BAD_USER_INPUT");
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_id_is_free_after_the_answer() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    for _ in 0..5 {
        let me = socket.run("1", "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn answers_repeat_unusual_ids_unchanged() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    for id in ["a\"b\\c", "\u{0}\n\u{1f}", "ö🦀", " ", &"x".repeat(256)] {
        let me = socket.run(id, "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn complete_cancels_a_query_in_flight() {
    let limits = [("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000")];
    let node = TestNode::start_with(&limits).await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    // Together, and long enough that the node reads the next message before it has answered this one.
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let (long, short) = (format!("{{ {long} }}"), "{ me { name } }");
    let messages = [
        json!({ "type": "subscribe", "id": "1", "payload": { "query": long } }),
        json!({ "type": "complete", "id": "1" }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": short } }),
    ];
    socket.send_together(&messages).await;

    // Only the second is answered, once.
    assert_eq!(socket.expect_answer("1").await, json!({ "data": { "me": { "name": "Alice" } } }));
    socket.expect_alive().await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn complete_does_not_undo_a_mutation_that_has_started() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut socket = alice.connect_raw().await;

    let rename =
        format!("mutation {{ updateDocument(id: \"{document}\", title: \"New\") {{ id }} }}");
    let messages = [
        json!({ "type": "subscribe", "id": "1", "payload": { "query": rename } }),
        json!({ "type": "complete", "id": "1" }),
    ];
    socket.send_together(&messages).await;

    let is_renamed = async || alice.read(document).await["title"] == "New";
    expect_eventually("the mutation", is_renamed).await;
    // It is not answered.
    socket.expect_alive().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn complete_for_an_unknown_id_is_ignored() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;

    socket.complete("unknown").await;
    socket.run("1", "{ me { id } }", json!({})).await;
    socket.complete("1").await;
    socket.expect_alive().await;

    drop(socket);
    node.stop().await;
}
