//! Queries and mutations over the socket, and operations that are refused before they run.

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{Account, Frame, RawSocket, document, refused, until},
};

#[actix_web::test]
async fn a_query_and_a_mutation_are_answered_by_next_and_complete() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    let me = socket.run("1", "{ me { id name } }", json!({})).await;
    assert_eq!(me, json!({ "data": { "me": { "id": alice.id, "name": "alice" } } }));

    let create = "mutation($title: String!) { createDocument(title: $title) { id title } }";
    let made = socket.run("2", create, json!({ "title": "Plan" })).await;
    assert_eq!(made["data"]["createDocument"]["title"], "Plan");

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_error_of_a_field_is_a_result_and_not_an_error_message() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    let rename = "mutation { updateDocument(id: \"0192f0c1-2345-7abc-8def-0123456789ab\", title: \"x\") { id } }";
    let response = socket.run("1", rename, json!({})).await;

    assert_eq!(response["data"], json!(null));
    assert_eq!(refused(&response["errors"]), "FORBIDDEN");
    assert_eq!(response["errors"][0]["path"], json!(["updateDocument"]));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_operation_of_several_is_chosen_by_its_name() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let query = "query A { me { id } } query B { me { name } }";

    let payload = json!({ "query": query, "operationName": "B", "extensions": { "x": 1 } });
    socket.say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;

    assert_eq!(socket.answered("1").await, json!({ "data": { "me": { "name": "alice" } } }));
    drop(socket);
    node.stop().await;
}

/// Operations that cannot be run, and a part of what is said about each.
fn impossible(document: &str) -> Vec<(Value, &'static str)> {
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
async fn an_operation_that_cannot_be_run_ends_with_an_error_and_the_session_lives() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    // The id is free again each time, and no `complete` comes in between.
    for (payload, said) in impossible(&document) {
        socket.say(json!({ "type": "subscribe", "id": "same", "payload": payload })).await;
        let errors = socket.failed("same").await;
        let message = errors[0]["message"].as_str().unwrap();
        assert_eq!(errors[0]["extensions"]["code"], "BAD_USER_INPUT", "{errors}");
        assert!(!message.is_empty() && message.contains(said), "expected {said}: {message}");
    }
    let me = socket.run("same", "{ me { id } }", json!({})).await;
    assert_eq!(me["data"]["me"]["id"], json!(alice.id));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn variables_that_are_missing_or_do_not_fit_are_told() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let query = "query($id: ID!) { document(id: $id) { title } }";

    // Before anything is run.
    for variables in [json!({}), json!({ "id": null }), json!({ "id": [1] }), json!({ "id": {} })] {
        socket.ask_with("1", query, variables).await;
        assert_eq!(refused(&socket.failed("1").await), "BAD_USER_INPUT");
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_id_is_free_again_after_the_answer() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    for _ in 0..5 {
        let me = socket.run("1", "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn answers_name_their_operations_whatever_these_are_called() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    for id in ["a\"b\\c", "\u{0}\n\u{1f}", "ö🦀", " ", &"x".repeat(256)] {
        let me = socket.run(id, "{ me { id } }", json!({})).await;
        assert_eq!(me["data"]["me"]["id"], json!(alice.id));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_complete_takes_a_query_in_flight_back() {
    let limits = [("COSCRIBE__LIMITS__OPERATION_COMPLEXITY", "100000")];
    let node = TestNode::start_with(&limits).await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let message = |value: Value| Frame::text(&value.to_string()).bytes();

    // In one piece, and long enough that it cannot be answered before the next message is looked at.
    let long: String = (0..400).map(|n| format!("a{n}: me {{ id }} ")).collect();
    let (long, short) = (format!("{{ {long} }}"), "{ me { name } }");
    let pieces = [
        message(json!({ "type": "subscribe", "id": "1", "payload": { "query": long } })),
        message(json!({ "type": "complete", "id": "1" })),
        message(json!({ "type": "subscribe", "id": "1", "payload": { "query": short } })),
    ];
    socket.send_bytes(&pieces.concat()).await;

    // Only the second one is answered, and it is answered once.
    assert_eq!(socket.answered("1").await, json!({ "data": { "me": { "name": "alice" } } }));
    socket.lives().await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_complete_does_not_undo_a_mutation_that_has_begun() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let message = |value: Value| Frame::text(&value.to_string()).bytes();

    let rename =
        format!("mutation {{ updateDocument(id: \"{document}\", title: \"New\") {{ id }} }}");
    let pieces = [
        message(json!({ "type": "subscribe", "id": "1", "payload": { "query": rename } })),
        message(json!({ "type": "complete", "id": "1" })),
    ];
    socket.send_bytes(&pieces.concat()).await;

    let title = format!("{{ document(id: \"{document}\") {{ title }} }}");
    let renamed = async || {
        let data = alice.post(&node, &title, json!({})).await;
        data["document"]["title"] == "New"
    };
    until("the mutation", renamed).await;
    // No answer of it came.
    socket.lives().await;

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_complete_of_nothing_is_ignored() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let mut socket = RawSocket::admitted(&node, &alice).await;

    socket.complete("never heard of").await;
    socket.run("1", "{ me { id } }", json!({})).await;
    socket.complete("1").await;
    socket.lives().await;

    drop(socket);
    node.stop().await;
}
