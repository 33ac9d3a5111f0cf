//! Changes of one document on two nodes.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Pair, Person, Tab};

const EDIT: &str = "mutation ($id: ID!, $text: String!) {
    editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }]) { version } }";

async fn insert(who: &impl Client, pair: &Pair, text: &str) -> i64 {
    let variables = json!({ "id": pair.document.to_string(), "text": text });
    who.run(EDIT, variables).await.value()["version"].as_i64().unwrap()
}

#[actix_web::test]
async fn a_change_on_one_node_reaches_the_readers_of_the_other_once() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let alices = pair.alice.open(pair.document).await;
    let bobs = pair.bob.at(&other).open(pair.document).await;

    for version in 2..=6 {
        assert_eq!(insert(&alices, &pair, "a").await, version);
    }
    for version in 2..=6 {
        assert_eq!(bobs.expect_change().await["version"], version);
    }
    // And back: Bob's node knows where the document stands.
    assert_eq!(insert(&bobs, &pair, "b").await, 7);
    let told = alices.expect_change().await;
    assert_eq!((&told["version"], &told["content"]), (&json!(7), &json!("aaaaabWelcome.")));

    drop((alices, bobs));
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn edits_on_both_nodes_at_once_are_all_kept_and_told_alike() {
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "10000"),
    ];
    let pair = Pair::meet_with(&limits).await;
    let other = pair.node.beside().await;
    let (alices, bobs) =
        (pair.alice.open(pair.document).await, pair.bob.at(&other).open(pair.document).await);
    // Who writes nothing hears of everything.
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "VIEW").await.value();
    let readers = [carol.open(pair.document).await, carol.at(&other).open(pair.document).await];

    let mut marks = Vec::new();
    let mut versions = Vec::new();
    for round in 0..10 {
        let names: Vec<String> = (0..8).map(|writer| format!("<{round}.{writer}>")).collect();
        let edits = names.iter().enumerate().map(|(writer, mark)| {
            let tab = if writer % 2 == 0 { &alices } else { &bobs };
            insert(tab, &pair, mark)
        });
        versions.extend(join_all(edits).await);
        marks.extend(names);
    }

    versions.sort_unstable();
    assert_eq!(versions, (2..=81).collect::<Vec<_>>(), "neither hole nor double");
    let text = pair.alice.read(pair.document).await["content"].as_str().unwrap().to_owned();
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

    drop((alices, bobs, readers));
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn a_deletion_on_one_node_ends_the_streams_on_the_other() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let bobs = pair.bob.at(&other).open(pair.document).await;

    pair.alice.delete(pair.document).await.value();

    let told = bobs.expect_change().await;
    assert_eq!((&told["kind"], &told["version"]), (&json!("DELETED"), &json!(2)));
    drop(bobs);
    other.stop().await;
    pair.node.stop().await;
}
