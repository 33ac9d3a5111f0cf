//! Large variables, and variables that are used many times.

use kit::{Client as _, HttpReply, Node as _, TestNode};
use serde_json::{Value, json};

const EDIT: &str = "mutation($id: ID!, $delta: [DeltaOpInput!]!) {
    editDocument(documentId: $id, baseVersion: 1, delta: $delta) { version } }";

#[actix_web::test]
async fn variables_with_too_many_values_are_refused_before_they_are_decoded() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let document = mallory.create_document("Mine", "").await;
    let socket = mallory.connect().await;
    let steps = |count: usize| vec![json!({}); count];
    for variables in [
        json!({ "id": document, "delta": steps(200_000) }),
        // Variables that the operation does not declare.
        json!({ "id": document, "delta": [], "other": vec![0; 200_000] }),
        json!({ "id": document, "delta": vec![vec![json!({ "a": 0 })]; 50_000] }),
    ] {
        let body = json!({ "query": EDIT, "variables": variables });
        let accept = "application/graphql-response+json";
        let refused = HttpReply::to(mallory.post().header("Accept", accept).json(&body)).await;
        assert_eq!((refused.status, &*refused.code()), (400, "BAD_USER_INPUT"));
        assert_eq!(socket.run(EDIT, variables).await.code(), "BAD_USER_INPUT");
    }
    // The socket stays open.
    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn variables_are_not_decoded_before_the_operation_is_checked() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let socket = mallory.connect().await;
    let variables = json!({ "a": vec![0; 200_000] });
    for wrong in ["{ me", "query A { me { id } } query B { me { id } }"] {
        let answers = [
            mallory.run(wrong, variables.clone()).await,
            socket.run(wrong, variables.clone()).await,
        ];
        for answer in answers {
            let message = answer.errors()[0]["message"].as_str().unwrap();
            assert!(!message.contains("values"), "{message}");
        }
    }
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_large_variable_may_be_used_once() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let document = mallory.create_document("Mine", "").await;
    let socket = mallory.connect().await;
    let uses = |count: usize| -> String {
        let edit = |n| {
            format!(
                "e{n}: editDocument(documentId: $id, baseVersion: 1, delta: $delta) {{ version }} "
            )
        };
        let edits: String = (0..count).map(edit).collect();
        format!("mutation($id: ID!, $delta: [DeltaOpInput!]!) {{ {edits} }}")
    };
    let steps: Vec<Value> = (0..6_000).map(|_| json!({ "insert": "a" })).collect();
    let variables = json!({ "id": document, "delta": steps });

    assert_eq!(mallory.run(&uses(36), variables.clone()).await.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&uses(36), variables.clone()).await.code(), "BAD_USER_INPUT");
    assert_eq!(mallory.run(&uses(1), variables).await.value()["version"], 2);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_stranger_cannot_use_a_variable_many_times() {
    let node = TestNode::start().await;
    let uses: String = (0..36).map(|n| format!("l{n}: document(id: $a) {{ id }} ")).collect();
    let operation = format!("query($a: [ID!]) {{ {uses} }}");
    let variables = json!({ "a": vec![""; 12_000] });
    assert_eq!(node.stranger().run(&operation, variables).await.code(), "BAD_USER_INPUT");
    node.stop().await;
}

#[actix_web::test]
async fn the_longest_text_and_the_longest_delta_are_accepted() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let document = alice.create_document("Mine", &"x".repeat(3 * 1024 * 1024)).await;
    let steps: Vec<Value> = (0..10_000).map(|_| json!({ "insert": "a" })).collect();
    let variables = json!({ "id": document, "delta": steps });
    assert_eq!(socket.run(EDIT, variables).await.value()["version"], 2);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_refusal_does_not_repeat_a_large_value() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let document = mallory.create_document("Mine", "").await;
    let socket = mallory.connect().await;
    let grants: String = (0..30)
        .map(|n| {
            format!("g{n}: grantAccess(documentId: $id, level: VIEW, userId: $user) {{ level }} ")
        })
        .collect();
    let operation = format!("mutation($id: ID!, $user: ID!) {{ {grants} }}");
    let variables = json!({ "id": document, "user": "\u{1}🎈".repeat(100_000) });
    for answer in
        [mallory.run(&operation, variables.clone()).await, socket.run(&operation, variables).await]
    {
        assert_eq!(answer.errors().len(), 20);
        for error in answer.errors() {
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
            assert!(error["message"].as_str().unwrap().len() < 1_100, "{error}");
        }
    }
    drop(socket);
    node.stop().await;
}
