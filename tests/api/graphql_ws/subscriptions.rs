//! Subscriptions: their events, their ids, and how they end.

use std::{collections::HashMap, fmt::Display};

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, TestNode};
use serde_json::{Value, json};

fn changes(document: impl Display) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ title }} }}")
}

fn presence(document: DocumentId) -> String {
    format!("subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind }} }}")
}

fn subscribe(id: &str, query: String) -> Value {
    json!({ "type": "subscribe", "id": id, "payload": { "query": query } })
}

#[actix_web::test]
async fn events_carry_the_id_of_their_subscription() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let mut socket = alice.connect_raw().await;
    socket.subscribe("one", &changes(document)).await;
    socket.subscribe("two", &changes(document)).await;

    bob.rename(document, "First").await.value();

    let (first, second) = (socket.expect_message().await, socket.expect_message().await);
    let mut ids = [first["id"].as_str().unwrap(), second["id"].as_str().unwrap()];
    ids.sort_unstable();
    assert_eq!(ids, ["one", "two"]);
    for next in [&first, &second] {
        assert_eq!(next["type"], "next");
        assert_eq!(next["payload"], json!({ "data": { "documentChanged": { "title": "First" } } }));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn reusing_the_id_of_an_active_subscription_closes_with_4409() {
    let node = TestNode::start().await;
    let (alice, _, document) = node.alice_and_bob().await;

    for again in [changes(document), "{ me { id } }".to_owned(), "{".to_owned()] {
        let mut socket = alice.connect_raw().await;
        socket.subscribe("mine", &changes(document)).await;
        socket.start("mine", &again).await;
        let exists = (4409, "Subscriber for mine already exists".to_owned());
        assert_eq!(socket.expect_close().await, exists);
    }

    // Also while the first is still taking its seat.
    let mut socket = alice.connect_raw().await;
    let subscribe = subscribe("2", changes(document));
    socket.send_together(&[subscribe.clone(), subscribe]).await;
    assert_eq!(socket.expect_close().await.0, 4409);

    node.stop().await;
}

#[actix_web::test]
async fn a_reused_id_receives_nothing_of_the_completed_subscription() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let other = alice.create_shared_document(&[&bob]).await;
    let mut socket = alice.connect_raw().await;
    socket.subscribe("id", &changes(document)).await;

    // Together, so that nothing can happen before the id is reused.
    let complete = json!({ "type": "complete", "id": "id" });
    socket.send_together(&[complete, subscribe("id", presence(other))]).await;
    node.expect_metric("active_subscriptions_total{topic=\"presence\"}", 1).await;
    bob.rename(document, "Of the old").await.value();
    let mut bobs = bob.connect_raw().await;
    bobs.subscribe("1", &changes(other)).await;

    assert_eq!(socket.expect_next("id").await["kind"], "JOINED");
    drop((socket, bobs));
    node.stop().await;
}

#[actix_web::test]
async fn an_id_can_be_reused_while_its_seat_is_being_taken() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let other = alice.create_shared_document(&[&bob]).await;
    let mut socket = alice.connect_raw().await;
    let subscribe = |document| subscribe("id", changes(document));
    let complete = json!({ "type": "complete", "id": "id" });

    for round in 0..10 {
        let messages = [subscribe(document), complete.clone(), subscribe(other)];
        socket.send_together(&messages).await;
        node.expect_seats(1).await;
        bob.rename(document, &format!("Old {round}")).await.value();
        bob.rename(other, &format!("New {round}")).await.value();
        assert_eq!(socket.expect_next("id").await, json!({ "title": format!("New {round}") }));
        socket.complete("id").await;
        node.expect_seats(0).await;
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn complete_releases_the_seat_without_a_reply() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let mut socket = alice.connect_raw().await;
    let mut watcher = bob.connect_raw().await;
    watcher.subscribe("p", &presence(document)).await;
    socket.subscribe("c", &changes(document)).await;
    assert_eq!(watcher.expect_next("p").await["kind"], "JOINED");

    socket.complete("c").await;

    assert_eq!(watcher.expect_next("p").await["kind"], "LEFT");
    socket.expect_alive().await;
    drop((socket, watcher));
    node.stop().await;
}

#[actix_web::test]
async fn a_refused_subscription_leaves_its_id_free() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let private = alice.create_shared_document(&[]).await;
    let mut socket = bob.connect_raw().await;

    for query in [changes(private), presence(DocumentId::new())] {
        socket.start("1", &query).await;
        assert_eq!(socket.expect_error("1").await, "FORBIDDEN");
    }
    socket.start("1", &changes("no uuid")).await;
    assert_eq!(socket.expect_error("1").await, "BAD_USER_INPUT");
    socket.subscribe("1", &changes(document)).await;
    alice.rename(document, "New").await.value();
    assert_eq!(socket.expect_next("1").await, json!({ "title": "New" }));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn deleting_a_document_completes_its_subscriptions() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut socket = alice.connect_raw().await;
    let kinds =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ kind }} }}");
    socket.subscribe("1", &kinds).await;

    // By another session: a session does not receive its own changes.
    let author = alice.connect().await;
    author.delete(document).await.value();

    assert_eq!(socket.expect_next("1").await["kind"], "DELETED");
    socket.expect_complete("1").await;
    // The id is free.
    socket.run("1", "{ me { id } }", json!({})).await;

    drop((socket, author));
    node.stop().await;
}

#[actix_web::test]
async fn a_revocation_ends_a_subscription_with_an_error() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let mut socket = bob.connect_raw().await;
    socket.subscribe("1", &changes(document)).await;

    alice.revoke(document, &bob).await.value();

    assert_eq!(socket.expect_error("1").await, "FORBIDDEN");
    // The id is free, and the session goes on.
    socket.run("1", "{ me { id } }", json!({})).await;
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn subscriptions_with_different_selections_receive_the_same_large_fields() {
    let node = TestNode::start().await;
    let (alice, bob, document) = node.alice_and_bob().await;
    let mut socket = bob.connect_raw().await;
    for (id, selection) in
        [("1", "version content update"), ("2", "update"), ("3", "text: content copy: content")]
    {
        let subscription = format!(
            "subscription {{ documentChanged(documentId: \"{document}\") {{ {selection} }} }}"
        );
        socket.subscribe(id, &subscription).await;
    }

    for text in ["one \"quoted\" text", "another"] {
        assert!(alice.write(document, text).await.is_ok());
        let mut changes = HashMap::new();
        for _ in 0..3 {
            let next = socket.expect_message().await;
            let change = next["payload"]["data"]["documentChanged"].clone();
            changes.insert(next["id"].as_str().unwrap().to_owned(), change);
        }
        assert_eq!(changes["1"]["content"], text);
        assert!(changes["2"]["update"].is_string());
        assert_eq!(changes["2"]["update"], changes["1"]["update"]);
        assert_eq!(changes["3"], json!({ "text": text, "copy": text }));
    }
    drop(socket);
    node.stop().await;
}
