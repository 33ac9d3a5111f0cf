//! Names of versions, and taking changes back.

use kit::{Answer, Client, Node as _, Pair, Person, expect_eventually, new_doc};
use serde_json::{Value, json};
use yrs::{Array as _, Doc, ReadTxn as _, StateVector, Text as _, Transact as _};

async fn name(by: &impl Client, pair: &Pair, version: i64, name: &str) -> Answer {
    let operation = "mutation($id: ID!, $version: Int!, $name: String!) {
        nameVersion(documentId: $id, version: $version, name: $name) { version name namedBy { name } } }";
    by.run(operation, json!({ "id": pair.document, "version": version, "name": name })).await
}

async fn unname(by: &impl Client, pair: &Pair, version: i64) -> Answer {
    let operation = "mutation($id: ID!, $version: Int!) {
        unnameVersion(documentId: $id, version: $version) }";
    by.run(operation, json!({ "id": pair.document, "version": version })).await
}

async fn names(by: &impl Client, pair: &Pair) -> Value {
    let operation =
        "query($id: ID!) { document(id: $id) { namedVersions { version name namedBy { name } } } }";
    by.run(operation, json!({ "id": pair.document })).await.value()["namedVersions"].clone()
}

async fn text_at(by: &impl Client, pair: &Pair, version: i64) -> Answer {
    let operation = "query($id: ID!, $version: Int!) {
        documentAt(documentId: $id, version: $version) { content } }";
    by.run(operation, json!({ "id": pair.document, "version": version })).await
}

async fn restore(by: &impl Client, pair: &Pair, version: i64) -> Answer {
    let operation = "mutation($id: ID!, $version: Int!) {
        restoreDocument(documentId: $id, version: $version) { version } }";
    by.run(operation, json!({ "id": pair.document, "version": version })).await
}

async fn take_back(by: &impl Client, pair: &Pair, version: i64, rest: Value) -> Answer {
    let operation = "mutation($id: ID!, $version: Int!, $first: Int, $author: ID, $name: ID) {
        takeBackChanges(documentId: $id, version: $version, fromVersion: $first, author: $author, mutationId: $name) { version } }";
    let mut variables = rest;
    variables["id"] = json!(pair.document);
    variables["version"] = json!(version);
    by.run(operation, variables).await
}

/// The entries of the history, newest first.
async fn entries(by: &impl Client, pair: &Pair) -> Value {
    let operation = "query($id: ID!) { documentHistory(documentId: $id) { nodes {
        fromVersion toVersion name takesBack { fromVersion toVersion } } } }";
    by.run(operation, json!({ "id": pair.document })).await.value()["nodes"].clone()
}

/// Deletes as much of the history as possible. Snapshots are stored in the background.
async fn delete_history(owner: &Person, pair: &Pair) {
    let operation = "mutation($id: ID!) { deleteHistory(documentId: $id) { hasMore } }";
    owner.run(operation, json!({ "id": pair.document })).await.value();
}

#[actix_web::test]
async fn a_named_version_outlives_the_history() {
    let settings =
        [("COSCRIBE__STORE__HISTORY_KEPT", "0s"), ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "1")];
    let pair = Pair::start_with(&settings).await;
    let Pair { alice, bob, document, .. } = &pair;
    bob.write(*document, "Draft").await.value();
    let expected = json!({ "version": 2, "name": "Sent", "namedBy": { "name": "Bob" } });
    assert_eq!(name(bob, &pair, 2, " Sent ").await.value(), expected);
    assert_eq!(names(alice, &pair).await, json!([expected]));
    for text in ["Third", "Fourth", "Fifth"] {
        alice.write(*document, text).await.value();
    }

    expect_eventually("a shorter history", async || {
        delete_history(alice, &pair).await;
        text_at(alice, &pair, 3).await.errors().len() == 1
    })
    .await;

    assert_eq!(text_at(alice, &pair, 2).await.value()["content"], "Draft");
    assert_eq!(name(alice, &pair, 2, "Sent to all").await.value()["name"], "Sent to all");
    let restored = restore(bob, &pair, 2).await.value()["version"].clone();
    assert_eq!(restored, 6);
    assert_eq!(alice.read_text(*document).await, "Draft");
    // Without its name it is gone.
    assert_eq!(unname(alice, &pair, 2).await.value(), true);
    assert_eq!(unname(bob, &pair, 2).await.value(), false);
    assert_eq!(text_at(alice, &pair, 2).await.code(), "BAD_USER_INPUT");
    assert_eq!(name(alice, &pair, 2, "Again").await.code(), "BAD_USER_INPUT");
    pair.stop(()).await;
}

#[actix_web::test]
async fn names_are_checked_and_need_access() {
    let pair = Pair::start().await;
    let mallory = pair.node.person("Mallory").await;
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    for person in [&mallory, &pair.bob] {
        assert_eq!(name(person, &pair, 1, "Draft").await.code(), "FORBIDDEN");
        assert_eq!(unname(person, &pair, 1).await.code(), "FORBIDDEN");
        assert_eq!(take_back(person, &pair, 1, json!({})).await.code(), "FORBIDDEN");
    }
    for (version, text) in [(0, "Draft"), (2, "Draft"), (1, ""), (1, "two\nlines")] {
        assert_eq!(name(&pair.alice, &pair, version, text).await.code(), "BAD_USER_INPUT");
    }
    name(&pair.alice, &pair, 1, "Draft").await.value();
    // A viewer reads names, also in the history.
    assert_eq!(names(&pair.bob, &pair).await[0]["name"], "Draft");
    assert_eq!(entries(&pair.bob, &pair).await[0]["name"], "Draft");
    pair.stop(()).await;
}

#[actix_web::test]
async fn another_editor_cannot_take_the_name_of_a_version() {
    let pair = Pair::start().await;
    let Pair { alice, bob, .. } = &pair;
    name(alice, &pair, 1, "Sent").await.value();
    for refused in [name(bob, &pair, 1, "Mine").await, unname(bob, &pair, 1).await] {
        assert_eq!(refused.code(), "FORBIDDEN");
        let message = refused.error()["message"].as_str().unwrap();
        assert!(message.contains("Ask one of them"), "{message}");
    }
    let expected = json!([{ "version": 1, "name": "Sent", "namedBy": { "name": "Alice" } }]);
    assert_eq!(names(alice, &pair).await, expected);
    // The owner may, and then has named it.
    bob.write(pair.document, "Draft").await.value();
    name(bob, &pair, 2, "Draft").await.value();
    assert_eq!(name(bob, &pair, 2, "Second draft").await.value()["name"], "Second draft");
    name(alice, &pair, 2, "Final").await.value();
    assert_eq!(unname(bob, &pair, 2).await.code(), "FORBIDDEN");
    assert_eq!(unname(alice, &pair, 2).await.value(), true);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_copy_has_no_names() {
    let pair = Pair::start().await;
    name(&pair.alice, &pair, 1, "Draft").await.value();
    let operation =
        "mutation($id: ID!) { copyDocument(documentId: $id) { namedVersions { version } } }";
    let copied = pair.bob.run(operation, json!({ "id": pair.document })).await.value();
    assert_eq!(copied["namedVersions"], json!([]));
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_named_version_counts_in_the_quota_of_the_owner() {
    let settings = [("COSCRIBE__LIMITS__BYTES_PER_USER", "8000")];
    let pair = Pair::start_with(&settings).await;
    name(&pair.bob, &pair, 1, "Draft").await.value();
    // The change has the text twice.
    pair.alice.write(pair.document, &"x".repeat(3_000)).await.value();
    let refused = name(&pair.bob, &pair, 2, "Long").await;
    assert_eq!(refused.code(), "QUOTA_EXCEEDED");
    unname(&pair.alice, &pair, 1).await.value();
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_entry_is_taken_back_while_others_type() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices = alice.open_editor_with_receipts(*document).await;
    let bobs = bob.open_editor_with_receipts(*document).await;
    // Bob's entry: an insertion and a deletion.
    bobs.insert(8, " Buy now!").await;
    assert_eq!(bobs.expect_saved().await, 2);
    bobs.delete(0, 3).await;
    // What Alice sees is stored. A deletion has no clock that a receipt could name.
    alices.expect_text("come. Buy now!").await;
    alices.insert(14, " See you.").await;
    assert_eq!(alices.expect_saved().await, 4);
    bobs.expect_text("come. Buy now! See you.").await;

    assert_eq!(take_back(alice, &pair, 3, json!({})).await.value()["version"], 5);

    for editor in [&alices, &bobs] {
        editor.expect_text("Welcome. See you.").await;
    }
    let history = entries(alice, &pair).await;
    let taken = json!({ "fromVersion": 2, "toVersion": 3 });
    let expected = json!({ "fromVersion": 5, "toVersion": 5, "name": null, "takesBack": taken });
    assert_eq!(history[0], expected);
    assert_eq!(history[1]["takesBack"], Value::Null);
    // Taking it back takes the taking back back.
    assert_eq!(take_back(bob, &pair, 5, json!({})).await.value()["version"], 6);
    alices.expect_text("come. Buy now! See you.").await;
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn a_part_of_an_entry_and_the_creation_are_taken_back() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    for (base, text) in [(1, "One. "), (2, "Two. ")] {
        bob.edit(*document, base, json!([{ "insert": text }])).await.value();
    }
    assert_eq!(bob.read_text(*document).await, "Two. One. Welcome.");
    // Up to version 2, although Bob has gone on.
    take_back(alice, &pair, 2, json!({})).await.value();
    assert_eq!(bob.read_text(*document).await, "Two. Welcome.");
    take_back(alice, &pair, 1, json!({})).await.value();
    assert_eq!(bob.read_text(*document).await, "Two. ");
    // What is gone cannot be taken back again.
    let version = bob.read_version(*document).await;
    assert_eq!(take_back(alice, &pair, 1, json!({})).await.value()["version"], version);
    pair.stop(()).await;
}

#[actix_web::test]
async fn the_last_changes_of_an_entry_are_taken_back_without_those_before() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    for (base, text) in [(1, "One. "), (2, "Two. "), (3, "Three. ")] {
        bob.edit(*document, base, json!([{ "insert": text }])).await.value();
    }
    for first in [0, 1, 5] {
        let refused = take_back(alice, &pair, 4, json!({ "first": first })).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("begins at version 2"), "{message}");
    }
    let named = json!({ "first": 3, "name": "undo" });
    for _ in 0..2 {
        assert_eq!(take_back(alice, &pair, 4, named.clone()).await.value()["version"], 5);
    }
    assert_eq!(alice.read_text(*document).await, "One. Welcome.");
    let taken = json!({ "fromVersion": 3, "toVersion": 4 });
    assert_eq!(entries(alice, &pair).await[0]["takesBack"], taken);
    for other in [json!({ "first": 4, "name": "undo" }), json!({ "name": "undo" })] {
        assert_eq!(take_back(alice, &pair, 4, other).await.code(), "CONFLICT");
    }
    let query = "query($id: ID!) { document(id: $id) { newest { version content body } } }";
    let newest = alice.run(query, json!({ "id": document })).await.value();
    let body = json!([{ "insert": "One. Welcome." }]);
    assert_eq!(newest["newest"], json!({ "version": 5, "content": "One. Welcome.", "body": body }));
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_repeated_reversal_is_answered_and_not_made_again() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    bob.write(*document, "").await.value();
    let named = json!({ "name": "undo" });
    for _ in 0..2 {
        let answer = take_back(alice, &pair, 2, named.clone()).await;
        assert_eq!(answer.value()["version"], 3);
    }
    assert_eq!(alice.read_text(*document).await, "Welcome.");
    assert_eq!(take_back(alice, &pair, 1, named).await.code(), "CONFLICT");
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_author_who_has_changed_nothing_is_an_error() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    bob.write(*document, "Bob's").await.value();
    alice.rename(*document, "Title").await.value();
    let refused = take_back(alice, &pair, 2, json!({ "author": alice.id })).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let nothing = take_back(alice, &pair, 3, json!({ "author": alice.id })).await;
    let message = nothing.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("nothing to take back"), "{message}");
    for version in [0, 4] {
        let unknown = take_back(alice, &pair, version, json!({})).await;
        assert_eq!(unknown.code(), "BAD_USER_INPUT");
    }
    take_back(alice, &pair, 2, json!({ "author": bob.id })).await.value();
    assert_eq!(alice.read_text(*document).await, "Welcome.");
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_version_that_cannot_be_written_again_is_an_error() {
    let pair = Pair::start().await;
    let (editor, tab) =
        (pair.bob.open_editor(pair.document).await, pair.alice.open(pair.document).await);
    // A root type with both text and values, which no editor writes.
    let mixed = new_doc();
    mixed.get_or_insert_text("mixed").insert(&mut mixed.transact_mut(), 0, "text");
    mixed.get_or_insert_array("mixed").insert(&mut mixed.transact_mut(), 4, 1);
    editor.send_update(&state_of(&mixed)).await;
    tab.expect_version(2).await;
    // It need not be written again to be removed.
    assert_eq!(restore(&pair.alice, &pair, 1).await.value()["version"], 3);
    let query = "query($id: ID!) { document(id: $id) { newest { json } } }";
    let shown = pair.alice.run(query, json!({ "id": pair.document })).await.value();
    assert!(!shown["newest"]["json"].as_str().unwrap().contains("mixed"), "{shown}");
    mixed.get_or_insert_text("mixed").insert(&mut mixed.transact_mut(), 0, "more ");
    editor.send_update(&state_of(&mixed)).await;
    tab.expect_version(4).await;
    mixed.get_or_insert_text("mixed").remove_range(&mut mixed.transact_mut(), 0, 9);
    mixed.get_or_insert_array("mixed").remove_range(&mut mixed.transact_mut(), 0, 1);
    editor.send_update(&state_of(&mixed)).await;
    tab.expect_version(5).await;

    let refused = restore(&pair.alice, &pair, 2).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("mixed"), "{message}");
    assert_eq!(pair.alice.read(pair.document).await["version"], 5);
    assert_eq!(restore(&pair.alice, &pair, 1).await.value()["version"], 5, "nothing differs");
    pair.stop((editor, tab)).await;
}

fn state_of(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}
