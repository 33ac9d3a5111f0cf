//! A rolling update: a node of the version before beside one of this.

use serde_json::json;

use crate::{
    process::until_meter,
    support::{Client as _, Pair},
};

const EDIT: &str = "mutation ($id: ID!, $text: String!) {
    editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }]) { version } }";

#[actix_web::test]
async fn a_node_of_the_version_before_and_one_of_this_understand_each_other() {
    let settings =
        [("COSCRIBE__ROOM__COMPARE_EVERY", "1h"), ("COSCRIBE__REDIS__ENVELOPE_VERSION", "2")];
    let pair = Pair::meet_with(&settings).await;
    let new = pair.node.beside_with(|settings| settings.redis.envelope_version = 3).await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices, bobs) = (alice.open(*document).await, bob.at(&new).open(*document).await);
    alices.expect_joined(bob).await;
    for node in [&pair.node, &new] {
        until_meter(node.node().address(), "coscribe_nodes", |nodes| nodes == 2.0).await;
    }

    for version in [2, 4, 6] {
        let variables = json!({ "id": document, "text": "x" });
        assert_eq!(alices.run(EDIT, variables.clone()).await.value()["version"], version);
        bobs.expect_version(version).await;
        assert_eq!(bobs.run(EDIT, variables).await.value()["version"], version + 1);
        alices.expect_version(version + 1).await;
        alices.move_cursor(*document, 0, version).await.value();
        assert_eq!(bobs.expect_cursor().await["cursor"]["column"], version);
        bobs.move_cursor(*document, 1, version).await.value();
        assert_eq!(alices.expect_cursor().await["cursor"]["column"], version);
    }
    for node in [&pair.node, &new] {
        let ignored = "coscribe_relay_ignored_total{reason=\"unknown_version\"}";
        assert_eq!(node.meters().await.value(ignored), 0.0);
    }
    bobs.socket.close().await;
    alices.expect_left(bob).await;
    pair.end_with(new, alices).await;
}
