//! The relay: only what is open is listened to, and what makes no sense is ignored.

use coscribe::{
    redis::{RedisKeys, Server},
    wire::envelope::NEWEST_VERSION,
};
use serde_json::json;

use crate::{
    process::until_meter,
    support::{Client as _, Meters, Pair, TestNode, http_client, within},
};

/// Asks the Redis of a node.
pub(crate) async fn redis(node: &TestNode) -> (coscribe::redis::Connection, RedisKeys) {
    let options = &node.settings().redis;
    let connection = Server::new(options).unwrap().connect().await.unwrap();
    (connection, RedisKeys::new(&options.prefix))
}

/// How many nodes listen to a document.
async fn listeners(node: &TestNode, document: coscribe::domain::DocumentId) -> u64 {
    let (mut connection, keys) = redis(node).await;
    // Whoever publishes is told how many heard; what makes no sense changes nothing.
    connection.publish(&[(&keys.document(document), b"\0")]).await.unwrap()[0]
}

#[actix_web::test]
async fn a_node_listens_to_the_documents_that_are_open_on_it_and_to_no_others() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let alices = pair.alice.open(pair.document).await;
    assert_eq!(listeners(&pair.node, pair.document).await, 1);
    let bobs = pair.bob.at(&other).open(pair.document).await;
    assert_eq!(listeners(&pair.node, pair.document).await, 2);

    alices.expect_joined(&pair.bob).await;
    drop((alices, bobs));
    let closed = async { while listeners(&pair.node, pair.document).await > 0 {} };
    within("nobody listening", closed).await;
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn garbage_and_envelopes_of_the_future_are_counted_and_ignored() {
    let pair = Pair::meet().await;
    let alices = pair.alice.open(pair.document).await;
    let (mut connection, keys) = redis(&pair.node).await;
    let channel = keys.document(pair.document);
    let future = [&[NEWEST_VERSION + 1][..], &[7; 40]].concat();
    for bytes in [&b""[..], b"\x01hello", &[1; 17], &[0; 100], &future] {
        connection.publish(&[(&channel, bytes)]).await.unwrap();
    }

    let address = pair.node.node().address();
    let ignored = "coscribe_relay_ignored_total";
    until_meter(address, &format!("{ignored}{{reason=\"unknown_version\"}}"), |n| n == 1.0).await;
    until_meter(address, &format!("{ignored}{{reason=\"garbage\"}}"), |n| n == 4.0).await;
    pair.bob.write(pair.document, "All is well.").await.value();
    assert_eq!(alices.expect_change().await["content"], "All is well.");
    alices.expect_nothing_left();
    pair.end(alices).await;
}

#[actix_web::test]
async fn a_change_reaches_the_other_node_without_a_question_to_the_database() {
    let settings = [("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];
    let pair = Pair::meet_with(&settings).await;
    let other = pair.node.beside().await;
    let (alices, bobs) =
        (pair.alice.open(pair.document).await, pair.bob.at(&other).open(pair.document).await);
    // Both know by now that the other one reads the same envelopes.
    for node in [&pair.node, &other] {
        until_meter(node.node().address(), "coscribe_nodes", |nodes| nodes == 2.0).await;
    }
    let edit = "mutation ($id: ID!, $text: String!, $base: Int!) {
        editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: $text }]) { version } }";
    for base in 1..=20 {
        let variables = json!({ "id": pair.document, "text": "a", "base": base });
        alices.run(edit, variables).await.value();
        let change = bobs.expect_version(base + 1).await;
        assert_eq!(
            change["content"],
            format!("{}Welcome.", "a".repeat(usize::try_from(base).unwrap()))
        );
        assert_eq!(change["author"]["name"], "Alice");
        assert_eq!(change["sessionId"], json!(alices.session()));
    }
    // And Bob's node goes on from there.
    let variables = json!({ "id": pair.document, "text": "b", "base": 21 });
    assert_eq!(bobs.run(edit, variables).await.value()["version"], 22);
    let change = alices.expect_version(22).await;
    assert_eq!(change["content"], format!("b{}Welcome.", "a".repeat(20)));
    pair.rename_and_large_text_arrive(&other, &alices, &bobs).await;
    pair.end_with(other, (alices, bobs)).await;
}

impl Pair {
    /// What is told otherwise than by a delta, or too large to be told at all.
    async fn rename_and_large_text_arrive(
        &self,
        other: &TestNode,
        alices: &crate::support::Tab,
        bobs: &crate::support::Tab,
    ) {
        self.bob.at(other).rename(self.document, "Plan B").await.value();
        assert_eq!(alices.expect_change().await["title"], "Plan B");
        let large = "A line of text.\n".repeat(10_000);
        self.alice.write(self.document, &large).await.value();
        assert_eq!(bobs.expect_version(24).await["content"], large);
    }
}
