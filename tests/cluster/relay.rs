//! The relay: a node listens only to documents that are open on it, and ignores envelopes that it cannot read.

use coscribe::{
    domain::DocumentId,
    redis::{Connection, RedisKeys, Server},
    wire::envelope::NEWEST_VERSION,
};
use kit::{Client as _, Node as _, Pair, TestNode, expect_eventually};
use serde_json::json;

/// Connects to the Redis of a node.
pub(crate) async fn connect_to_redis(node: &TestNode) -> (Connection, RedisKeys) {
    let options = &node.settings().redis;
    let connection = Server::new(options).unwrap().connect().await.unwrap();
    (connection, RedisKeys::new(&options.prefix))
}

/// The number of nodes that listen to a document.
async fn listeners(node: &TestNode, document: DocumentId) -> u64 {
    let (mut connection, keys) = connect_to_redis(node).await;
    // Redis returns the number of recipients. The nodes ignore this message.
    connection.publish(&[(&keys.document(document), b"\0")]).await.unwrap()[0]
}

#[actix_web::test]
async fn a_node_listens_only_to_documents_that_are_open_on_it() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let alices_tab = pair.alice.open(pair.document).await;
    assert_eq!(listeners(&pair.node, pair.document).await, 1);
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    assert_eq!(listeners(&pair.node, pair.document).await, 2);

    alices_tab.expect_joined(&pair.bob).await;
    drop((alices_tab, bobs_tab));
    let is_unused = async || listeners(&pair.node, pair.document).await == 0;
    expect_eventually("a document without listeners", is_unused).await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn unreadable_envelopes_are_counted_and_ignored() {
    let pair = Pair::start().await;
    let alices_tab = pair.alice.open(pair.document).await;
    let (mut connection, keys) = connect_to_redis(&pair.node).await;
    let channel = keys.document(pair.document);
    let unknown_version = [&[NEWEST_VERSION + 1][..], &[7; 40]].concat();
    for bytes in [&b""[..], b"\x01hello", &[1; 17], &[0; 100], &unknown_version] {
        connection.publish(&[(&channel, bytes)]).await.unwrap();
    }

    let ignored = "coscribe_relay_ignored_total";
    pair.node.expect_metric(&format!("{ignored}{{reason=\"unknown_version\"}}"), 1).await;
    pair.node.expect_metric(&format!("{ignored}{{reason=\"garbage\"}}"), 4).await;
    pair.bob.write(pair.document, "Marker").await.value();
    assert_eq!(alices_tab.expect_change().await["content"], "Marker");
    alices_tab.assert_nothing_unread();
    pair.stop(alices_tab).await;
}

#[actix_web::test]
async fn changes_reach_another_node_without_the_database() {
    // No node reconciles with the database in time.
    let settings = [("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];
    let pair = Pair::start_with(&settings).await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices_tab = alice.open(*document).await;
    let bobs_tab = bob.at(&peer).open(*document).await;
    // Both have learnt that the other reads the same envelopes.
    for node in [&pair.node, &peer] {
        node.expect_metric("coscribe_nodes", 2).await;
    }
    for base in 1..=20 {
        alices_tab.edit(*document, base, json!([{ "insert": "a" }])).await.value();
        let change = bobs_tab.expect_version(base + 1).await;
        let inserted = "a".repeat(usize::try_from(base).unwrap());
        assert_eq!(change["content"], format!("{inserted}Welcome."));
        assert_eq!(change["author"]["name"], "Alice");
        assert_eq!(change["sessionId"], json!(alices_tab.session()));
    }
    // And back: Bob's node edits the version that it has received.
    let answer = bobs_tab.edit(*document, 21, json!([{ "insert": "b" }])).await;
    assert_eq!(answer.value()["version"], 22);
    let change = alices_tab.expect_version(22).await;
    assert_eq!(change["content"], format!("b{}Welcome.", "a".repeat(20)));

    // A change without a delta, and one that is too large for an envelope.
    bob.at(&peer).rename(*document, "Plan B").await.value();
    assert_eq!(alices_tab.expect_change().await["title"], "Plan B");
    let large = "A line of text.\n".repeat(10_000);
    alice.write(*document, &large).await.value();
    assert_eq!(bobs_tab.expect_version(24).await["content"], large);
    pair.stop_with(peer, (alices_tab, bobs_tab)).await;
}
