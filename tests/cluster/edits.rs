//! Edits of one document on two nodes.

use futures_util::future::join_all;
use kit::{Client as _, Node as _, Pair};
use serde_json::{Value, json};

#[actix_web::test]
async fn an_edit_reaches_the_subscribers_of_another_node_once() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let alices_tab = pair.alice.open(pair.document).await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;

    for version in 2..=6 {
        assert_eq!(alices_tab.insert(pair.document, "a").await, version);
    }
    for version in 2..=6 {
        bobs_tab.expect_version(version).await;
    }
    // And back: Bob's node knows the version of the document.
    assert_eq!(bobs_tab.insert(pair.document, "b").await, 7);
    assert_eq!(alices_tab.expect_version(7).await["content"], "aaaaabWelcome.");
    pair.stop_with(peer, (alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn concurrent_edits_on_both_nodes_are_all_kept_in_one_order() {
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "10000"),
    ];
    let pair = Pair::start_with(&limits).await;
    let peer = pair.node.start_peer().await;
    let alices_tab = pair.alice.open(pair.document).await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    // Carol does not write, so both of these sessions receive every change.
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "VIEW").await.value();
    let readers = [carol.open(pair.document).await, carol.at(&peer).open(pair.document).await];

    let mut marks = Vec::new();
    let mut versions = Vec::new();
    for round in 0..10 {
        let round_marks: Vec<String> = (0..8).map(|writer| format!("<{round}.{writer}>")).collect();
        let edits = round_marks.iter().enumerate().map(|(writer, mark)| {
            let tab = if writer % 2 == 0 { &alices_tab } else { &bobs_tab };
            tab.insert(pair.document, mark)
        });
        versions.extend(join_all(edits).await);
        marks.extend(round_marks);
    }

    versions.sort_unstable();
    assert_eq!(versions, (2..=81).collect::<Vec<_>>(), "no gap and no duplicate");
    let text = pair.alice.read_text(pair.document).await;
    for mark in &marks {
        assert_eq!(text.matches(mark.as_str()).count(), 1, "{mark}");
    }
    let (mut first, mut second): (Vec<Value>, Vec<Value>) = (vec![], vec![]);
    for _ in 2..=81 {
        first.push(readers[0].expect_change().await);
        second.push(readers[1].expect_change().await);
    }
    assert_eq!(first, second, "the same changes, with the same deltas, in the same order");
    assert_eq!(first.last().unwrap()["content"], text);
    pair.stop_with(peer, (alices_tab, bobs_tab, readers)).await;
}

#[actix_web::test]
async fn a_deletion_on_one_node_reaches_the_subscribers_of_another() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;

    pair.alice.delete(pair.document).await.value();

    let change = bobs_tab.expect_change().await;
    assert_eq!((&change["kind"], &change["version"]), (&json!("DELETED"), &json!(2)));
    pair.stop_with(peer, bobs_tab).await;
}
