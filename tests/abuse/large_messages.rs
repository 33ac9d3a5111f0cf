//! Many large messages of one user at once.

use std::{cell::Cell, pin::pin};

use futures_util::{future::join_all, poll};
use kit::{
    Client as _, Frame, HttpReply, Node as _, Person, RawSocket, TestNode, expect_eventually,
    within,
};
use serde_json::{Value, json};
use tokio::select;

/// The most bytes of large messages of one user.
const USER: u64 = 1_500_000;

/// The metric of the bytes of large messages.
const BYTES: &str = "coscribe_message_bytes";

const CREATE: &str =
    "mutation($t: String!) { createDocument(title: \"Mine\", content: $t) { id version } }";

/// Starts a node on which a user may have two messages of 600 kB at a time.
async fn node() -> TestNode {
    TestNode::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT", "100000"),
        ("COSCRIBE__LIMITS__FRAME", "700000"),
        ("COSCRIBE__LIMITS__MESSAGE", "700000"),
        ("COSCRIBE__LIMITS__MESSAGES_OF_USER", &USER.to_string()),
        ("COSCRIBE__LIMITS__MESSAGES_OF_NODE", "4000000"),
    ])
    .await
}

/// Returns a text that takes 600 kB in JSON.
fn text() -> String {
    "\u{1}".repeat(99_000)
}

/// Returns the message with an operation.
fn subscribe(id: &str, operation: &str, variables: &Value) -> Value {
    let payload = json!({ "query": operation, "variables": variables });
    json!({ "type": "subscribe", "id": id, "payload": payload })
}

/// Waits for work while another user edits. Returns the most bytes of large messages in the meantime.
async fn most_bytes_during(node: &TestNode, alice: &Person, work: impl Future) -> u64 {
    let most = Cell::new(0);
    let watching = async {
        let document = alice.create_document("Hers", "").await;
        loop {
            most.set(most.get().max(node.metric(BYTES).await));
            alice.insert(document, "a").await;
        }
    };
    select! {
        () = watching => unreachable!("it has no end"),
        _ = within("large messages", work) => {}
    }
    most.get()
}

/// Announces a message of 600 kB and sends its first byte.
async fn announce(person: &Person) -> RawSocket {
    let mut socket = person.connect_raw().await;
    socket.send_frame(Frame::text("{").announcing(600_000)).await;
    socket
}

#[actix_web::test]
async fn large_messages_on_all_connections_of_a_user_wait_for_each_other() {
    let node = node().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let mut sockets = vec![];
    for _ in 0..10 {
        sockets.push(mallory.connect_raw().await);
    }
    let message = Frame::message(&subscribe("1", CREATE, &json!({ "t": text() })));
    let sending = join_all(sockets.iter_mut().map(async |socket| {
        socket.send_frame(message.clone()).await;
        let answer = socket.expect_answer("1").await;
        assert_eq!(answer["data"]["createDocument"]["version"], 1);
    }));

    let most = most_bytes_during(&node, &alice, sending).await;

    assert!(most > 0 && most <= USER, "{most}");
    node.expect_metric(BYTES, 0).await;
    drop(sockets);
    node.stop().await;
}

#[actix_web::test]
async fn large_bodies_of_a_user_wait_for_each_other() {
    let node = node().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let (text, mallory) = (text(), &mallory);
    let sending = join_all((0..10).map(async |_| {
        assert!(mallory.run(CREATE, json!({ "t": text })).await.is_ok());
    }));

    let most = most_bytes_during(&node, &alice, sending).await;

    assert!(most > 0 && most <= USER, "{most}");
    node.expect_metric(BYTES, 0).await;
    node.stop().await;
}

#[actix_web::test]
async fn large_updates_of_editors_are_counted_until_they_are_stored() {
    let node = node().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Mine", "").await;
    let editor = alice.open_editor_with_receipts(document).await;
    editor.expect_saved().await;

    let typed = async {
        editor.insert(0, &"x".repeat(90_000)).await;
        editor.expect_saved().await;
    };
    most_bytes_during(&node, &alice, typed).await;

    assert_eq!(alice.read_text(document).await.len(), 90_000);
    node.expect_metric(BYTES, 0).await;
    editor.close().await;
    node.stop().await;
}

#[actix_web::test]
async fn announced_messages_that_do_not_arrive_cost_only_the_one_who_announces_them() {
    let node = node().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let announced = [announce(&mallory).await, announce(&mallory).await];
    let mut third = mallory.connect_raw().await;
    third.start_with("1", CREATE, json!({ "t": text() })).await;
    {
        let mut answer = pin!(third.expect_answer("1"));
        assert!(alice.run(CREATE, json!({ "t": text() })).await.is_ok());
        assert!(poll!(&mut answer).is_pending());
        assert!(mallory.run("{ me { id } }", json!({})).await.is_ok());

        drop(announced);
        assert_eq!(answer.await["data"]["createDocument"]["version"], 1);
    }
    node.expect_metric(BYTES, 0).await;
    drop(third);
    node.stop().await;
}

#[actix_web::test]
async fn messages_after_a_large_one_are_handled_after_it() {
    let node = node().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    let large = subscribe("1", CREATE, &json!({ "t": text() }));
    let ping = json!({ "type": "ping" });

    socket.send_together(&[large.clone(), ping]).await;
    assert_eq!(socket.expect_message().await["type"], "pong");
    assert_eq!(socket.expect_answer("1").await["data"]["createDocument"]["version"], 1);

    // The id of the large operation is in use when the small one with the same id is handled.
    socket.send_together(&[large, subscribe("1", "{ me { id } }", &json!({}))]).await;
    assert_eq!(socket.expect_close().await.0, 4409);
    node.expect_metric(BYTES, 0).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_large_message_that_is_none_closes_its_session_only() {
    let node = node().await;
    let alice = node.person("Alice").await;
    let mut socket = alice.connect_raw().await;
    socket.send_frame(Frame::text(&"[".repeat(500_000))).await;
    assert_eq!(socket.expect_close().await.0, 4400);

    let mut socket = alice.connect_raw().await;
    let payload = json!({ "large": "x".repeat(500_000) });
    socket.send(json!({ "type": "ping", "payload": payload })).await;
    assert_eq!(socket.expect_message().await["payload"], payload);
    node.expect_metric(BYTES, 0).await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_body_that_announces_too_much_is_refused_before_it_arrives() {
    let node = node().await;
    let alice = node.person("Alice").await;
    let body = json!({ "query": "{ me { id } }", "variables": { "x": "x".repeat(1_000_000) } });
    let refused = HttpReply::to(alice.post().json(&body)).await;
    assert_eq!(refused.status, 413);
    expect_eventually("no memory in use", async || node.metric(BYTES).await == 0).await;
    node.stop().await;
}
