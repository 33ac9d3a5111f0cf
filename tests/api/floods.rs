//! Small requests that ask for very much: refused before they cost anything.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::{Client as _, TestNode};

#[actix_web::test]
async fn fragments_that_multiply_are_refused_before_anything_walks_through_them() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let mut text = String::from("{ ...F0 }");
    for n in 0..29 {
        let next = format!("...F{} ", n + 1).repeat(3);
        write!(text, " fragment F{n} on Query {{ {next} }}").unwrap();
    }
    text.push_str(" fragment F29 on Query { __typename }");
    assert!(text.len() < 2_048);

    assert_eq!(node.stranger().run(&text, json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&text, json!({})).await.code(), "BAD_USER_INPUT");
    let subscription = text.replacen('{', "subscription {", 1).replace("Query", "Subscription");
    assert_eq!(socket.run(&subscription, json!({})).await.code(), "BAD_USER_INPUT");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_text_is_not_copied_a_thousand_times_into_one_answer() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    let document = alice.create_document("Long", &"x".repeat(10_000)).await;
    let copies =
        |count: usize| (0..count).fold(String::new(), |text, n| text + &format!("a{n}: content "));
    let read = |count| format!("{{ document(id: \"{document}\") {{ {} }} }}", copies(count));
    let listen = |count| {
        let copies = copies(count);
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {copies} }} }}")
    };

    assert!(alice.run(&read(3), json!({})).await.is_ok());
    assert_eq!(alice.run(&read(40), json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(socket.run(&listen(40), json!({})).await.code(), "BAD_USER_INPUT");
    for page in [
        "{ documents(first: 20) { nodes { id title content version updatedAt owner { id name } } } }",
        "{ documents(first: 100) { nodes { id title version access createdAt updatedAt owner { id name } } } }",
    ] {
        assert!(alice.run(page, json!({})).await.is_ok(), "{page}");
    }
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_operation_that_is_wrong_in_every_word_is_told_a_few_of_its_errors() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let wrong: String = (0..1_000).map(|n| format!("nothing{n} ")).collect();

    let reply = alice.send(&json!({ "query": format!("{{ {wrong} }}") })).await;

    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 20);
    node.stop().await;
}
