//! Operations with many mutations, each of which has its cost.

use kit::{Client as _, Node as _, TestNode};
use serde_json::json;

#[actix_web::test]
async fn tokens_are_signed_once_in_an_operation() {
    let node = TestNode::start().await;
    let mallory = node.person("Mallory").await;
    let twice = "mutation { a: refreshToken { token } b: refreshToken { token } }";
    assert_eq!(mallory.run(twice, json!({})).await.code(), "BAD_USER_INPUT");
    assert!(mallory.run("mutation { refreshToken { token } }", json!({})).await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn cursors_and_changes_over_http_have_an_allowance() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "1"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1"),
    ])
    .await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let [first, second] = [
        alice.create_shared_document(&[&mallory]).await,
        node.person("Bob").await.create_shared_document(&[&mallory]).await,
    ];
    let rename =
        |n: usize, id| format!("e{n}: updateDocument(id: \"{id}\", title: \"{n}\") {{ version }} ");
    let renames = format!("mutation {{ {} {} }}", rename(0, second), rename(1, second));
    let refused = mallory.run(&renames, json!({})).await;
    assert_eq!(refused.errors()[0]["extensions"]["code"], "RATE_LIMITED");
    let cursor = |n: usize| {
        format!("c{n}: updateCursor(documentId: \"{first}\", cursor: {{ line: 0, column: 0 }}) ")
    };
    let cursors =
        mallory.run(&format!("mutation {{ {} {} }}", cursor(0), cursor(1)), json!({})).await;
    // The first names no session, the second has no allowance.
    let codes: Vec<_> =
        cursors.errors().iter().map(|error| error["extensions"]["code"].clone()).collect();
    assert_eq!(codes, ["BAD_USER_INPUT", "RATE_LIMITED"]);
    // Other documents have their own.
    assert!(mallory.run(&format!("mutation {{ {} }}", rename(0, first)), json!({})).await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn revocations_have_the_allowance_of_changes() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    let revoke = |n: usize| {
        format!("r{n}: revokeAccess(documentId: \"{document}\", userId: \"{}\") ", bob.id)
    };
    let operation = format!("mutation {{ {} {} }}", revoke(0), revoke(1));
    let refused = alice.run(&operation, json!({})).await;
    assert_eq!(refused.errors()[0]["extensions"]["code"], "RATE_LIMITED");
    // The first one was carried out.
    assert_eq!(bob.write(document, "x").await.code(), "FORBIDDEN");
    node.stop().await;
}
