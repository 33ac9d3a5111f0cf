//! Keys of documents that change on several nodes at once.

use futures_util::join;
use kit::{Answer, Client as _, Pair, Person};
use serde_json::{Value, json};

async fn create(person: &Person, key: &str) -> Value {
    let operation = "mutation($key: String) { createDocument(title: \"Plan\", key: $key) { id } }";
    person.run(operation, json!({ "key": key })).await.value()["id"].clone()
}

async fn set_key(person: &Person, document: &Value, key: &str) -> Answer {
    let operation =
        "mutation($id: ID!, $key: String) { updateDocument(id: $id, key: $key) { key } }";
    person.run(operation, json!({ "id": document, "key": key })).await
}

#[actix_web::test]
async fn two_documents_that_swap_their_keys_do_not_wait_for_each_other() {
    let pair = Pair::start().await;
    let Pair { node, alice, .. } = &pair;
    let peer = node.start_peer().await;
    let elsewhere = alice.at(&peer);
    let (first, second) = (create(alice, "a").await, create(alice, "b").await);
    for round in 0..30 {
        let (one, other) = join!(set_key(alice, &first, "b"), set_key(&elsewhere, &second, "a"));
        assert_eq!((one.code(), other.code()), ("CONFLICT", "CONFLICT"), "{round}");
    }
    // One of them gives its key up first.
    set_key(alice, &first, "c").await.value();
    assert_eq!(set_key(&elsewhere, &second, "a").await.value()["key"], "a");
    assert_eq!(set_key(alice, &first, "b").await.value()["key"], "b");
    pair.stop_with(peer, ()).await;
}
