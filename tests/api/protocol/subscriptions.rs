//! Subscriptions: events, ids that are in use, and how they end.

use serde_json::{Value, json};

use crate::support::{
    TestNode,
    raw::{
        Account, Frame, RawSocket, document, refused, seats, shared_document, until, until_meter,
    },
};

/// Alice, Bob, and a document that both may change.
async fn alice_and_bob(node: &TestNode) -> (Account, Account, String) {
    let alice = Account::new(node, "alice").await;
    let bob = Account::new(node, "bob").await;
    let document = shared_document(node, &alice, &[&bob]).await;
    (alice, bob, document)
}

fn changes(document: &str) -> String {
    format!("subscription {{ documentChanged(documentId: \"{document}\") {{ title }} }}")
}

fn presence(document: &str) -> String {
    format!("subscription {{ presenceUpdated(documentId: \"{document}\") {{ kind }} }}")
}

async fn rename(node: &TestNode, account: &Account, document: &str, title: &str) {
    let rename = "mutation($document: ID!, $title: String!) {
        updateDocument(id: $document, title: $title) { id }
    }";
    account.post(node, rename, json!({ "document": document, "title": title })).await;
}

fn renamed(title: &str) -> Value {
    json!({ "documentChanged": { "title": title } })
}

fn message(value: Value) -> Vec<u8> {
    Frame::text(&value.to_string()).bytes()
}

#[actix_web::test]
async fn events_come_under_the_id_of_their_subscription() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    socket.listen(&node, "one", &changes(&document)).await;
    socket.listen(&node, "two", &changes(&document)).await;

    rename(&node, &bob, &document, "First").await;

    let (first, second) = (socket.hear().await, socket.hear().await);
    let mut ids = [first["id"].as_str().unwrap(), second["id"].as_str().unwrap()];
    ids.sort_unstable();
    assert_eq!(ids, ["one", "two"]);
    for next in [&first, &second] {
        assert_eq!(next["type"], "next");
        assert_eq!(next["payload"], json!({ "data": renamed("First") }));
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn the_id_of_a_running_subscription_closes_with_4409() {
    let node = TestNode::start().await;
    let (alice, _, document) = alice_and_bob(&node).await;

    for again in [changes(&document), "{ me { id } }".to_owned(), "{".to_owned()] {
        let mut socket = RawSocket::admitted(&node, &alice).await;
        socket.listen(&node, "mine", &changes(&document)).await;
        socket.ask("mine", &again).await;
        let exists = (4409, "Subscriber for mine already exists".to_owned());
        assert_eq!(socket.closed().await, exists);
    }

    // While the seat is still being taken as well.
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let subscribe = json!({ "query": changes(&document) });
    let subscribe = message(json!({ "type": "subscribe", "id": "2", "payload": subscribe }));
    socket.send_bytes(&subscribe.repeat(2)).await;
    assert_eq!(socket.closed().await.0, 4409);

    node.stop().await;
}

#[actix_web::test]
async fn nothing_of_a_completed_subscription_comes_under_its_id_again() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let other = shared_document(&node, &alice, &[&bob]).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    socket.listen(&node, "id", &changes(&document)).await;

    // In one piece: the id is used again before anything else can happen.
    let again = json!({ "query": presence(&other) });
    let pieces = [
        message(json!({ "type": "complete", "id": "id" })),
        message(json!({ "type": "subscribe", "id": "id", "payload": again })),
    ];
    socket.send_bytes(&pieces.concat()).await;
    until_meter(&node, "active_subscriptions_total{topic=\"presence\"}", 1).await;
    rename(&node, &bob, &document, "Of the old").await;
    let mut bobs = RawSocket::admitted(&node, &bob).await;
    bobs.listen(&node, "1", &changes(&other)).await;

    assert_eq!(socket.told("id").await["presenceUpdated"]["kind"], "JOINED");
    drop((socket, bobs));
    node.stop().await;
}

#[actix_web::test]
async fn an_id_may_be_used_again_while_its_seat_is_being_taken() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let other = shared_document(&node, &alice, &[&bob]).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let subscribe = |document: &str| {
        let payload = json!({ "query": changes(document) });
        message(json!({ "type": "subscribe", "id": "id", "payload": payload }))
    };
    let complete = message(json!({ "type": "complete", "id": "id" }));

    for round in 0..10 {
        let pieces = [subscribe(&document), complete.clone(), subscribe(&other)];
        socket.send_bytes(&pieces.concat()).await;
        until("one seat", async || seats(&node).await == 1).await;
        rename(&node, &bob, &document, &format!("Old {round}")).await;
        rename(&node, &bob, &other, &format!("New {round}")).await;
        assert_eq!(socket.told("id").await, renamed(&format!("New {round}")));
        socket.complete("id").await;
        until("no seat", async || seats(&node).await == 0).await;
    }

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_completed_subscription_is_given_up_and_nothing_answers() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let mut watcher = RawSocket::admitted(&node, &bob).await;
    watcher.listen(&node, "p", &presence(&document)).await;
    socket.listen(&node, "c", &changes(&document)).await;
    assert_eq!(watcher.told("p").await["presenceUpdated"]["kind"], "JOINED");

    socket.complete("c").await;

    assert_eq!(watcher.told("p").await["presenceUpdated"]["kind"], "LEFT");
    socket.lives().await;
    drop((socket, watcher));
    node.stop().await;
}

#[actix_web::test]
async fn a_subscription_that_is_refused_leaves_its_id_free() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let private = shared_document(&node, &alice, &[]).await;
    let mut socket = RawSocket::admitted(&node, &bob).await;

    for query in [changes(&private), presence("0192f0c1-2345-7abc-8def-0123456789ab")] {
        socket.ask("1", &query).await;
        assert_eq!(refused(&socket.failed("1").await), "FORBIDDEN");
    }
    socket.ask("1", &changes("no uuid")).await;
    assert_eq!(refused(&socket.failed("1").await), "BAD_USER_INPUT");
    socket.listen(&node, "1", &changes(&document)).await;
    rename(&node, &alice, &document, "Heard").await;
    assert_eq!(socket.told("1").await, renamed("Heard"));

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn the_end_of_a_document_completes_its_subscriptions() {
    let node = TestNode::start().await;
    let alice = Account::new(&node, "alice").await;
    let document = document(&node, &alice).await;
    let mut socket = RawSocket::admitted(&node, &alice).await;
    let kinds =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ kind }} }}");
    socket.listen(&node, "1", &kinds).await;
    let mut other = RawSocket::admitted(&node, &alice).await;

    let delete = format!("mutation {{ deleteDocument(id: \"{document}\") }}");
    other.run("d", &delete, json!({})).await;

    assert_eq!(socket.told("1").await["documentChanged"]["kind"], "DELETED");
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "1" }));
    // The id is free.
    socket.run("1", "{ me { id } }", json!({})).await;

    drop((socket, other));
    node.stop().await;
}

#[actix_web::test]
async fn a_revocation_ends_a_subscription_with_an_error() {
    let node = TestNode::start().await;
    let (alice, bob, document) = alice_and_bob(&node).await;
    let mut socket = RawSocket::admitted(&node, &bob).await;
    socket.listen(&node, "1", &changes(&document)).await;

    let revoke =
        format!("mutation {{ revokeAccess(documentId: \"{document}\", userId: \"{}\") }}", bob.id);
    alice.post(&node, &revoke, json!({})).await;

    assert_eq!(refused(&socket.failed("1").await), "FORBIDDEN");
    // The id is free, and the session lives.
    socket.run("1", "{ me { id } }", json!({})).await;
    drop(socket);
    node.stop().await;
}
