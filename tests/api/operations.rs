//! Operations that the node refuses to run: invalid, deep, complex, long, or ambiguous.

use kit::{Answer, Client as _, Node as _, PASSWORD, Person, Socket, TestNode};
use serde_json::{Value, json};

/// Sends a request over HTTP and over the socket, where it must be refused alike. Returns the message.
async fn expect_refusal(person: &Person, socket: &Socket, request: Value) -> String {
    let case = format!("{:.100}", request.to_string());
    let over_http = person.send(&request).await.answer();
    assert_eq!(over_http.code(), "BAD_USER_INPUT", "{case}");
    let over_socket = run_invalid(socket, request).await;
    assert_eq!(over_socket.code(), "BAD_USER_INPUT", "{case}");
    let message = over_http.error()["message"].as_str().unwrap();
    assert_eq!(over_socket.error()["message"], message, "{case}");
    assert_eq!(socket.run("{ me { id } }", json!({})).await.value()["id"], json!(person.id));
    message.to_owned()
}

/// Sends a request over the socket and waits for its `error`.
async fn run_invalid(socket: &Socket, request: Value) -> Answer {
    socket.send(json!({ "type": "subscribe", "id": "bad", "payload": request })).await;
    socket.expect_errors("bad").await
}

#[actix_web::test]
async fn an_invalid_operation_is_refused_before_it_runs() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    for request in [
        json!({ "query": "{" }),
        json!({ "query": "{ me { id }" }),
        json!({ "query": "{a".repeat(20_000) }),
        json!({ "query": "fragment F on Query { me { id } }" }),
        json!({ "query": "{ nothing }" }),
        json!({ "query": "{ me }" }),
        json!({ "query": "{ me { name nothing } }" }),
        json!({ "query": "{ document { id } }" }),
        json!({ "query": "query($id: ID!) { document(id: $id) { id } }" }),
        json!({ "query": "query($id: ID!) { document(id: $id) { id } }", "variables": { "id": null } }),
        json!({ "query": "{ ...F } fragment F on Query { ...F }" }),
        json!({ "query": "{ ...F }" }),
        json!({ "query": "mutation { grantAccess(documentId: \"x\", level: GOD) { level } }" }),
    ] {
        expect_refusal(&alice, &socket, request).await;
    }
    let unknown = json!({ "query": "subscription { nothing }" });
    assert_eq!(run_invalid(&socket, unknown).await.code(), "BAD_USER_INPUT");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn the_operation_name_must_select_one_of_the_operations() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let two = "query One { me { name } } query Two { me { email } }";

    expect_refusal(&alice, &socket, json!({ "query": two, "operationName": "Three" })).await;
    expect_refusal(&alice, &socket, json!({ "query": two })).await;
    expect_refusal(&alice, &socket, json!({ "query": "{ me { id } }", "operationName": "One" }))
        .await;

    let second = alice.send(&json!({ "query": two, "operationName": "Two" })).await;
    assert_eq!(second.answer().value(), json!({ "email": alice.email }));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_deep_operation_is_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let deep = |levels: usize| {
        let (open, close) = ("{ ofType ".repeat(levels), "}".repeat(levels));
        format!("{{ __schema {{ types {{ fields {{ type {open} {{ name }} {close} }} }} }} }}")
    };

    expect_refusal(&alice, &socket, json!({ "query": deep(20) })).await;

    alice.run(&deep(5), json!({})).await.value();
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_complex_operation_is_refused_and_has_no_effect() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let lists: String =
        (0..15).map(|n| format!("l{n}: documents(first: 100) {{ nodes {{ id }} }}")).collect();
    let long_list = "{ documents(first: 1000000) { nodes { id title } } }";
    let accounts: String = (0..25)
        .map(|n| {
            let arguments =
                format!(r#"email: "c{n}@example.org", name: "C", password: "{PASSWORD}""#);
            format!("r{n}: register({arguments}) {{ token }}")
        })
        .collect();

    expect_refusal(&alice, &socket, json!({ "query": format!("{{ {lists} }}") })).await;
    expect_refusal(&alice, &socket, json!({ "query": long_list })).await;
    expect_refusal(&alice, &socket, json!({ "query": format!("mutation {{ {accounts} }}") })).await;

    let login = format!(
        r#"mutation {{ login(email: "c0@example.org", password: "{PASSWORD}") {{ token }} }}"#
    );
    assert_eq!(alice.run(&login, json!({})).await.code(), "UNAUTHENTICATED");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_long_operation_is_refused_and_long_variables_are_accepted() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATION_TEXT", "1000")]).await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let long = format!("{{ me {{ id }} }}{}", " ".repeat(1_000));

    let message = expect_refusal(&alice, &socket, json!({ "query": long })).await;

    assert!(message.contains("1000"), "{message}");
    socket.create_document("Long", &"text ".repeat(10_000)).await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_subscription_has_one_root_field() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let id = alice.create_document("Project Alpha", "").await;
    let (changed, moved) = (
        format!("documentChanged(documentId: \"{id}\") {{ version }}"),
        format!("cursorMoved(documentId: \"{id}\") {{ color }}"),
    );
    for query in [
        format!("subscription {{ {changed} {moved} }}"),
        format!("subscription {{ one: {changed} other: {changed} }}"),
        format!("subscription {{ {changed} ...F }} fragment F on Subscription {{ {moved} }}"),
        format!("subscription {{ ... {{ {changed} }} ... on Subscription {{ {moved} }} }}"),
        "subscription { __typename __typename }".to_owned(),
    ] {
        expect_refusal(&alice, &socket, json!({ "query": query })).await;
    }
    assert_eq!(node.metrics().await.operations("subscription", "ok"), 0);

    let good = format!("subscription {{ ...F }} fragment F on Subscription {{ it: {changed} }}");
    socket.start("good", &good).await;
    node.expect_metric("active_subscriptions_total{topic=\"changes\"}", 1).await;
    alice.connect().await.write(id, "Hello").await.value();
    assert_eq!(socket.expect_next("good").await, json!({ "version": 2 }));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_failed_field_is_null_or_makes_the_whole_result_null() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    for (query, data, path) in [
        (
            "{ me { name } a: document(id: \"no key\") { title } ...F }
                fragment F on Query { b: document(id: \"00000000-0000-7000-8000-000000000000\") { id } }",
            json!({ "me": { "name": "Alice" }, "a": null, "b": null }),
            "a",
        ),
        ("{ document(id: \"no key\") { title } }", json!({ "document": null }), "document"),
        ("{ me { name } documents(first: 0) { nodes { id } } }", Value::Null, "documents"),
        ("{ ...F } fragment F on Query { me { id } documents(after: \"x\") { nodes { id } } }",
            Value::Null, "documents"),
        (
            "mutation { made: createDocument(title: \"T\") { id } createDocument(title: \"\") { id } }",
            Value::Null,
            "createDocument",
        ),
    ] {
        let over_http = alice.send(&json!({ "query": query })).await.json();
        assert_eq!(over_http["data"], data, "{query}");
        assert_eq!(over_http["errors"].as_array().unwrap().len(), 1, "{over_http:#}");
        assert_eq!(over_http["errors"][0]["path"], json!([path]), "{query}");
        assert_eq!(over_http["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}");
        socket.start("mixed", query).await;
        assert_eq!(socket.expect_result("mixed").await, over_http, "{query}");
        socket.expect_complete("mixed").await;
    }
    drop(socket);
    node.stop().await;
}
