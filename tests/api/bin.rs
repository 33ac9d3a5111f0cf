//! The bin: deleted documents are gone for everybody, until their owner brings them back or purges them.

use kit::{Answer, Client as _, Pair, Person, expect_eventually};
use serde_json::{Value, json};

/// The documents in the bin of a person.
async fn bin(person: &Person) -> Value {
    let operation = "{ documents(filter: BIN) { nodes { id title access deletedAt purgedAt } } }";
    person.run(operation, json!({})).await.value()["nodes"].clone()
}

fn assert_forbidden(answers: impl IntoIterator<Item = Answer>) {
    for answer in answers {
        assert_eq!(answer.code(), "FORBIDDEN");
    }
}

#[actix_web::test]
async fn a_document_comes_back_with_its_text_and_its_grants() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    bobs_tab.write(*document, "Hello").await.value();
    alices_tab.expect_version(2).await;
    let before = bob.read(*document).await;

    alices_tab.delete(*document).await.value();

    let deleted = bobs_tab.expect_version(3).await;
    assert_eq!(deleted["kind"], "DELETED");
    bobs_tab.socket.expect_complete(&bobs_tab.changes).await;
    for person in [alice, bob] {
        assert_eq!(person.read(*document).await, Value::Null);
        assert_eq!(person.write(*document, "Too late").await.code(), "FORBIDDEN");
    }
    let binned = bin(alice).await;
    assert_eq!(binned[0]["id"], json!(document));
    assert_eq!(binned[0]["deletedAt"], deleted["changedAt"]);
    let time = |name: &str| {
        let text = binned[0][name].as_str().unwrap();
        text.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    assert_eq!(time("purgedAt") - time("deletedAt"), chrono::TimeDelta::days(30));
    assert_eq!(bin(bob).await, json!([]));
    let content = alice.run("{ documents(filter: BIN) { nodes { content } } }", json!({})).await;
    assert_eq!(content.code(), "BAD_USER_INPUT");
    assert!(content.error()["message"].as_str().unwrap().contains("`undelete`"));
    assert_forbidden([bob.undelete(*document).await, bob.purge(*document).await]);

    let back = alice.undelete(*document).await.value();

    assert_eq!((&back["version"], &back["content"]), (&json!(3), &json!("Hello")));
    let after = bob.read(*document).await;
    for field in ["title", "content", "access", "owner", "collaborators", "createdAt"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(bin(alice).await, json!([]));
    // A room that was closed by the deletion is opened again, and a client that was away replays.
    let (editor, tab) = (bob.open_editor(*document).await, alice.open(*document).await);
    editor.expect_text("Hello").await;
    editor.insert(0, "Back: ").await;
    let edited = tab.expect_version(4).await;
    assert_eq!(edited["content"], "Back: Hello");
    let operation =
        "subscription($id: ID!) { documentChanged(documentId: $id, since: 1) { version kind } }";
    let socket = bob.connect().await;
    socket.start_with("1", operation, json!({ "id": document })).await;
    for (version, kind) in [(2, "EDITED"), (3, "RENAMED"), (4, "EDITED")] {
        assert_eq!(socket.expect_next("1").await, json!({ "version": version, "kind": kind }));
    }
    pair.stop((alices_tab, bobs_tab, editor, tab, socket)).await;
}

#[actix_web::test]
async fn a_purged_document_never_comes_back() {
    let Pair { node, alice, document, .. } = Pair::start().await;
    let told = |answer: &Answer| answer.error()["message"].as_str().unwrap().to_owned();
    let refused = [alice.undelete(document).await, alice.purge(document).await];
    for answer in &refused {
        assert!(told(answer).contains("not in your bin"), "{}", told(answer));
    }
    assert_forbidden(refused);
    alice.delete(document).await.value();
    let again = alice.delete(document).await;
    assert!(told(&again).contains("in your bin already"), "{}", told(&again));
    assert_forbidden([again]);

    assert_eq!(alice.purge(document).await.value(), true);

    assert_eq!(bin(&alice).await, json!([]));
    assert_forbidden([alice.undelete(document).await, alice.purge(document).await]);
    node.stop().await;
}

#[actix_web::test]
async fn the_bin_is_emptied_after_its_time() {
    let pair = Pair::start_with(&[("COSCRIBE__STORE__BIN_KEPT", "0s")]).await;
    let Pair { alice, document, .. } = &pair;
    alice.delete(*document).await.value();
    expect_eventually("an empty bin", async || bin(alice).await == json!([])).await;
    assert_forbidden([alice.undelete(*document).await]);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_document_in_the_bin_is_handed_over_to_nobody() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    bob.accept_access(document).await.value();
    alice.delete(document).await.value();
    let operation = "mutation($id: ID!, $user: ID!) {
        transferDocument(documentId: $id, userId: $user) { id } }";
    let transferred = alice.run(operation, json!({ "id": document, "user": bob.id })).await;
    assert_forbidden([transferred]);
    node.stop().await;
}
