//! A rolling update: a node that speaks the previous envelope version beside one that speaks the newest.

use kit::{Client as _, Node as _, Pair};

#[actix_web::test]
async fn nodes_of_two_envelope_versions_understand_each_other() {
    let settings =
        [("COSCRIBE__ROOM__COMPARE_EVERY", "1h"), ("COSCRIBE__REDIS__ENVELOPE_VERSION", "2")];
    let pair = Pair::start_with(&settings).await;
    let newer = pair.node.start_peer_with(|settings| settings.redis.envelope_version = 4).await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices_tab = alice.open(*document).await;
    let bobs_tab = bob.at(&newer).open(*document).await;
    alices_tab.expect_joined(bob).await;
    for node in [&pair.node, &newer] {
        node.expect_metric("coscribe_nodes", 2).await;
    }

    for version in [2, 4, 6] {
        assert_eq!(alices_tab.insert(*document, "x").await, version);
        bobs_tab.expect_version(version).await;
        assert_eq!(bobs_tab.insert(*document, "x").await, version + 1);
        alices_tab.expect_version(version + 1).await;
        alices_tab.move_cursor(*document, 0, version).await.value();
        assert_eq!(bobs_tab.expect_cursor().await["cursor"]["column"], version);
        bobs_tab.move_cursor(*document, 1, version).await.value();
        assert_eq!(alices_tab.expect_cursor().await["cursor"]["column"], version);
    }
    for node in [&pair.node, &newer] {
        let ignored = "coscribe_relay_ignored_total{reason=\"unknown_version\"}";
        assert_eq!(node.metric(ignored).await, 0);
    }
    bobs_tab.socket.close().await;
    alices_tab.expect_left(bob).await;
    pair.stop_with(newer, alices_tab).await;
}
