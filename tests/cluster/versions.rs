//! A rolling update: nodes that speak an older envelope version beside ones that speak the newest.

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Pair, Tab, TestNode, within};
use tokio::time::{Duration, interval};

/// No node reconciles with the database in time.
const NO_COMPARISON: (&str, &str) = ("COSCRIBE__ROOM__COMPARE_EVERY", "1h");

/// Edits and moves cursors on both nodes, each of which the other must show.
async fn expect_exchange(alices_tab: &Tab, bobs_tab: &Tab, document: DocumentId) {
    let base = alices_tab.insert(document, "x").await;
    bobs_tab.expect_version(base).await;
    assert_eq!(bobs_tab.insert(document, "x").await, base + 1);
    alices_tab.expect_version(base + 1).await;
    alices_tab.move_cursor(document, 0, base).await.value();
    assert_eq!(bobs_tab.expect_cursor().await["cursor"]["column"], base);
    bobs_tab.move_cursor(document, 1, base).await.value();
    assert_eq!(alices_tab.expect_cursor().await["cursor"]["column"], base);
}

/// The number of envelopes that a node has ignored for this reason.
async fn ignored(node: &TestNode, reason: &str) -> u64 {
    node.metric(&format!("coscribe_relay_ignored_total{{reason=\"{reason}\"}}")).await
}

/// Alice on a node of one version, Bob on one of another.
async fn expect_understanding(older: &str, newer: u8) {
    let settings = [NO_COMPARISON, ("COSCRIBE__REDIS__ENVELOPE_VERSION", older)];
    let pair = Pair::start_with(&settings).await;
    let newer = pair.node.start_peer_with(|settings| {
        settings.redis.envelope_version = newer;
        settings.redis.accept_unsigned = true;
    });
    let newer = newer.await;
    let alices_tab = pair.alice.open(pair.document).await;
    let bobs_tab = pair.bob.at(&newer).open(pair.document).await;
    alices_tab.expect_joined(&pair.bob).await;
    for node in [&pair.node, &newer] {
        node.expect_metric("coscribe_nodes", 2).await;
    }

    for _ in 0..3 {
        expect_exchange(&alices_tab, &bobs_tab, pair.document).await;
    }
    for node in [&pair.node, &newer] {
        for reason in ["unknown_version", "unsigned", "bad_signature", "garbage"] {
            assert_eq!(ignored(node, reason).await, 0, "{reason}");
        }
    }
    bobs_tab.socket.close().await;
    alices_tab.expect_left(&pair.bob).await;
    pair.stop_with(newer, alices_tab).await;
}

#[actix_web::test]
async fn nodes_of_two_envelope_versions_understand_each_other() {
    expect_understanding("2", 4).await;
}

#[actix_web::test]
async fn a_node_that_signs_and_one_that_cannot_understand_each_other_while_unsigned_is_accepted() {
    expect_understanding("4", 5).await;
}

/// With nodes that already sign, and one that requires it.
#[actix_web::test]
async fn nodes_go_over_to_required_signatures_one_after_the_other() {
    let settings = [
        NO_COMPARISON,
        ("COSCRIBE__REDIS__ACCEPT_UNSIGNED", "true"),
        ("COSCRIBE__REDIS__ANSWER_WITHIN", "1s"),
        ("COSCRIBE__ROSTER__LEASE", "3s"),
        ("COSCRIBE__ROSTER__RENEW_EVERY", "100ms"),
    ];
    let pair = Pair::start_with(&settings).await;
    let strict = pair.node.start_peer_with(|settings| settings.redis.accept_unsigned = false).await;
    let alices_tab = pair.alice.open(pair.document).await;
    let bobs_tab = pair.bob.at(&strict).open(pair.document).await;
    alices_tab.expect_joined(&pair.bob).await;

    // A node signs the length of a lease after it has found that all nodes read it.
    let signs = async {
        let mut ticks = interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            let refused = ignored(&strict, "unsigned").await;
            alices_tab.move_cursor(pair.document, 0, 1).await.value();
            tokio::select! {
                moved = bobs_tab.expect_cursor() => break moved,
                () = refused_more(&strict, refused) => {}
            }
        }
    };
    within("a signed cursor", signs).await;

    expect_exchange(&alices_tab, &bobs_tab, pair.document).await;
    assert_eq!(ignored(&pair.node, "unknown_version").await, 0);
    pair.stop_with(strict, (alices_tab, bobs_tab)).await;
}

async fn refused_more(node: &TestNode, before: u64) {
    let mut ticks = interval(Duration::from_millis(10));
    while ignored(node, "unsigned").await <= before {
        ticks.tick().await;
    }
}

#[actix_web::test]
async fn a_node_that_requires_signatures_reads_what_an_older_node_stored_from_the_log() {
    let pair = Pair::start_with(&[("COSCRIBE__REDIS__ENVELOPE_VERSION", "4")]).await;
    let strict = pair.node.start_peer_with(|settings| settings.redis.envelope_version = 5).await;
    let bobs_tab = pair.bob.at(&strict).open(pair.document).await;

    assert_eq!(pair.alice.insert(pair.document, "by Alice ").await, 2);

    assert_eq!(bobs_tab.expect_version(2).await["content"], "by Alice Welcome.");
    // Alice's edit opened the document on her node, which is listening when Bob's is stored.
    let alices_tab = pair.alice.open(pair.document).await;
    alices_tab.insert(pair.document, "x").await;
    let unsigned = "coscribe_relay_ignored_total{reason=\"unsigned\"}";
    strict.expect_metric_that("a refused envelope", unsigned, |refused| refused > 0).await;
    bobs_tab.expect_version(3).await;
    pair.stop_with(strict, (alices_tab, bobs_tab)).await;
}
