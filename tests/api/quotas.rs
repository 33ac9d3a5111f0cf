//! Quotas: documents and bytes of an owner; changes and grants per hour; open documents.

use futures_util::future::join_all;
use kit::{Answer, Client as _, Node as _, Pair, Person, TestNode, expect_eventually};
use serde_json::{Value, json};

/// Returns what a user has used of a quota: its fields `used`, `limit`, `left` and `resetsAt`.
async fn usage(person: &Person, quota: &str) -> Value {
    let operation = format!("{{ me {{ usage {{ {quota} {{ used limit left resetsAt }} }} }} }}");
    person.run(&operation, json!({})).await.value()["usage"][quota].take()
}

/// Shows that an operation was refused because of a quota. Returns the extensions of the error.
fn refused_by(answer: &Answer, code: &str, quota: &str) -> Value {
    let extensions = answer.error()["extensions"].clone();
    assert_eq!((&extensions["code"], &extensions["quota"]), (&json!(code), &json!(quota)));
    extensions
}

async fn create(person: &Person) -> Answer {
    person.run("mutation { createDocument(title: \"Plan\") { id } }", json!({})).await
}

#[actix_web::test]
async fn a_user_owns_no_more_documents_than_the_quota() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__DOCUMENTS_PER_USER", "3")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let first = alice.create_document("Plan", "").await;
    alice.create_document("Plan", "").await;

    let created = join_all([create(&alice), create(&alice), create(&alice)]).await;

    let refused: Vec<_> = created.iter().filter(|answer| !answer.is_ok()).collect();
    assert_eq!(refused.len(), 2);
    for refused in refused {
        let numbers = refused_by(refused, "QUOTA_EXCEEDED", "documents");
        assert_eq!((&numbers["used"], &numbers["limit"]), (&json!(3), &json!(3)));
        assert!(numbers.get("retryAfter").is_none());
    }
    let expected = json!({ "used": 3.0, "limit": 3.0, "left": 0.0, "resetsAt": null });
    assert_eq!(usage(&alice, "documents").await, expected);
    bob.create_document("Plan", "").await;
    alice.delete_for_good(first).await;
    create(&alice).await.value();
    node.stop().await;
}

#[actix_web::test]
async fn edits_over_the_bytes_of_the_owner_are_refused() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__BYTES_PER_USER", "30000")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    // In the log, a text takes twice its size.
    bob.write(document, &"x".repeat(8_000)).await.value();
    bob.write(document, "").await.value();

    // It sends a few bytes, and would store the text again.
    let restore = "mutation($id: ID!) { restoreDocument(documentId: $id, version: 2) { version } }";
    let refused = bob.run(restore, json!({ "id": document })).await;

    let numbers = refused_by(&refused, "QUOTA_EXCEEDED", "bytes");
    assert_eq!(numbers["limit"], 30_000);
    assert_eq!(bob.read_text(document).await, "");
    let used = usage(&alice, "bytes").await["used"].as_f64().unwrap();
    assert!((17_000.0..30_000.0).contains(&used), "{used}");
    assert_eq!(usage(&bob, "bytes").await["used"], 0.0);
    bob.write(document, "small").await.value();
    alice.delete_for_good(document).await;
    assert_eq!(usage(&alice, "bytes").await["used"], 0.0);
    node.stop().await;
}

#[actix_web::test]
async fn a_yjs_editor_over_the_quota_goes_on_after_a_deletion() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__BYTES_PER_USER", "60000")]).await;
    let large = pair.alice.create_document("Large", &"y".repeat(25_000)).await;
    let alices = pair.alice.open_editor(pair.document).await;
    let bobs = pair.bob.open_editor_with_receipts(pair.document).await;

    bobs.insert(0, &"x".repeat(20_000)).await;

    let state = bobs.expect("a denial", |state| state.denials > 0).await;
    let denial = state.denial.unwrap();
    assert!(denial.contains("storage") && denial.contains("60000"), "{denial}");
    // The session stays and receives what others write, if it fits.
    alices.insert(0, "! ").await;
    bobs.expect("Alice's change", |state| !state.updates.is_empty()).await;

    // What was typed is stored as soon as there is room, without another keystroke.
    pair.alice.delete_for_good(large).await;
    bobs.expect_saved().await;
    let text = pair.alice.read_text(pair.document).await;
    assert!(text.contains("! ") && text.contains(&"x".repeat(20_000)));
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn the_changes_of_a_user_have_an_hourly_allowance() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__CHANGE_BYTES_PER_HOUR", "30000")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    bob.write(document, &"x".repeat(20_000)).await.value();

    let refused = bob.write(document, "more").await;

    let numbers = refused_by(&refused, "RATE_LIMITED", "changeBytes");
    let seconds = numbers["retryAfter"].as_u64().unwrap();
    assert!((600..3_600).contains(&seconds), "{numbers}");
    refused_by(&create(&bob).await, "RATE_LIMITED", "changeBytes");
    let changes = usage(&bob, "changeBytes").await;
    assert_eq!((&changes["limit"], &changes["left"]), (&json!(30_000.0), &json!(0.0)));
    assert!(changes["resetsAt"].is_string());
    let editor = bob.open_editor(document).await;
    editor.insert(0, "more").await;
    let state = editor.expect("a denial", |state| state.denials > 0).await;
    assert!(state.denial.unwrap().contains("Try again in"));
    // Others have allowances of their own, and a deletion makes room.
    alice.rename(document, "Plan B").await.value();
    editor.close().await;
    alice.delete_for_good(document).await;
    node.stop().await;
}

#[actix_web::test]
async fn grants_have_an_hourly_allowance() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__GRANTS_PER_HOUR", "3"),
        ("COSCRIBE__LIMITS__GRANTS_TO_USER_PER_HOUR", "2"),
    ])
    .await;
    let (alice, bob, carol) =
        (node.person("Alice").await, node.person("Bob").await, node.person("Carol").await);
    let document = alice.create_document("Plan", "").await;
    alice.grant(document, &bob, "VIEW").await.value();
    alice.grant(document, &bob, "EDIT").await.value();

    let to_bob =
        refused_by(&alice.grant(document, &bob, "VIEW").await, "RATE_LIMITED", "grantsToUser");
    assert!(to_bob["retryAfter"].as_u64().is_some_and(|seconds| seconds > 1_000), "{to_bob}");
    refused_by(&alice.grant(document, &carol, "VIEW").await, "RATE_LIMITED", "grants");
    assert_eq!(usage(&alice, "grants").await["left"], 0.0);
    let bobs = bob.create_document("Plan", "").await;
    bob.grant(bobs, &carol, "VIEW").await.value();
    node.stop().await;
}

#[actix_web::test]
async fn own_documents_are_listed_without_those_of_others() {
    let node = TestNode::start().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let own = alice.create_document("Plan", "").await;
    let shared = mallory.create_shared_document(&[&alice]).await;
    let list = async |filter: &str| {
        let operation = format!("{{ documents(filter: {filter}) {{ nodes {{ id }} }} }}");
        alice.run(&operation, json!({})).await.value()["nodes"].take()
    };

    assert_eq!(list("OWNED").await, json!([{ "id": own }]));
    assert_eq!(list("SHARED").await, json!([{ "id": shared }]));
    assert_eq!(list("ALL").await, json!([{ "id": shared }, { "id": own }]));
    node.stop().await;
}

#[actix_web::test]
async fn open_documents_are_limited_and_closing_one_allows_another() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPEN_DOCUMENTS_PER_USER", "2")]).await;
    let alice = node.person("Alice").await;
    let (first, second, third) = (
        alice.create_document("1", "").await,
        alice.create_document("2", "").await,
        alice.create_document("3", "").await,
    );
    let socket = alice.connect().await;
    let subscribed = socket.subscribe("documentChanged", first).await;
    // Another subscription to the same document takes no more.
    socket.subscribe("presenceUpdated", first).await;
    let editor = alice.open_editor(second).await;

    let operation =
        format!("subscription {{ documentChanged(documentId: \"{third}\") {{ version }} }}");
    socket.start("third", &operation).await;
    let refused = socket.expect_errors("third").await;
    let numbers = refused_by(&refused, "RATE_LIMITED", "openDocuments");
    assert_eq!((&numbers["used"], &numbers["limit"]), (&json!(2), &json!(2)));
    refused_by(&alice.rename(third, "Three").await, "RATE_LIMITED", "openDocuments");
    let refused = alice.connect_editor(third, kit::new_doc(), "").await.unwrap();
    assert_eq!(refused.expect_close().await.0, 1013);
    assert_eq!(usage(&alice, "openDocuments").await["left"], 0.0);
    alice.rename(first, "One").await.value();

    editor.close().await;
    expect_eventually("room for the third", async || alice.rename(third, "Three").await.is_ok())
        .await;
    socket.complete(&subscribed).await;
    socket.close().await;
    node.stop().await;
}
