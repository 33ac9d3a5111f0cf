//! Subscriptions of a user who may only view the document.

use futures_util::future::join_all;
use kit::{Client as _, Node as _, TestNode, expect_eventually};
use serde_json::json;

#[actix_web::test]
async fn a_viewer_subscribes_with_few_different_operations() {
    let node = TestNode::start().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_shared_document(&[&mallory]).await;
    let subscribe = |number: usize| {
        format!(
            "subscription {{ cursorMoved(documentId: \"{document}\") {{ a{number}: sessionId }} }}"
        )
    };
    let (mut first, mut second) = (mallory.connect_raw().await, mallory.connect_raw().await);
    for number in 0..8 {
        first.start(&number.to_string(), &subscribe(number)).await;
    }
    node.expect_seats(8).await;

    // Also in another tab. One that is there already may be used again.
    second.start("9", &subscribe(9)).await;
    let refused = second.expect_message().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
    second.start("7", &subscribe(7)).await;
    node.expect_seats(9).await;
    // Others are not affected.
    let mut owner = alice.connect_raw().await;
    owner.start("9", &subscribe(9)).await;
    node.expect_seats(10).await;
    drop((first, second, owner));
    node.stop().await;
}

#[actix_web::test]
async fn a_subscription_selects_a_bounded_number_of_fields() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let document = mallory.create_document("Mine", "").await;
    let socket = mallory.connect().await;
    let fields: String = (0..200).map(|n| format!("a{n}: sessionId ")).collect();
    let subscribe =
        format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ {fields} }} }}");
    assert_eq!(socket.run(&subscribe, json!({})).await.code(), "BAD_USER_INPUT");
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn large_events_that_a_viewer_does_not_read_are_bounded_and_not_lost() {
    /// Three events of 8 MB.
    const USER: u64 = 24_000_000;
    const EVENT: u64 = 7_800_000;
    const SOCKETS: usize = 4;
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "1500000"),
        ("COSCRIBE__LIMITS__ANSWER", "20000000"),
        ("COSCRIBE__LIMITS__ANSWERS_OF_USER", &USER.to_string()),
        ("COSCRIBE__LIMITS__ANSWERS_OF_NODE", "200000000"),
    ])
    .await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_shared_document(&[&mallory]).await;
    let mut deaf = vec![];
    for number in 0..SOCKETS {
        let mut socket = mallory.connect_slow_raw().await;
        let event = format!("documentChanged(documentId: \"{document}\") {{ version content }}");
        socket.start("1", &format!("subscription S{number} {{ {event} }}")).await;
        node.expect_seats(number as u64 + 1).await;
        deaf.push(socket);
    }
    // Six bytes of JSON each.
    let text = "\u{1}".repeat(1_300_000);
    assert_eq!(alice.write(document, &text).await.value()["version"], 2);
    expect_eventually("events that wait", async || {
        (3 * EVENT..=USER).contains(&node.metric("coscribe_answer_bytes").await)
    })
    .await;
    // The owner and others go on.
    assert_eq!(alice.write(document, "short").await.value()["version"], 3);
    assert!(alice.run("{ me { id } }", json!({})).await.is_ok());

    join_all(deaf.iter_mut().map(async |socket| {
        let change = socket.expect_next("1").await;
        assert_eq!((&change["version"], &change["content"]), (&json!(2), &json!(text)));
        assert_eq!(socket.expect_next("1").await, json!({ "version": 3, "content": "short" }));
    }))
    .await;
    node.expect_metric("coscribe_answer_bytes", 0).await;
    drop(deaf);
    node.stop().await;
}
