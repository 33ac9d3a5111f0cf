//! Subscriptions of a user who may only view somebody else's document.

use kit::{Client as _, Node as _, TestNode};
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
