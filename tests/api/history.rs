//! The history of a document: its entries, the text at a version, and restoring it.

use kit::{Answer, Client, Node as _, Pair};
use serde_json::{Value, json};

const HISTORY: &str = "query($id: ID!, $first: Int, $after: String) {
    documentHistory(documentId: $id, first: $first, after: $after) {
        edges { cursor node { fromVersion } }
        nodes { fromVersion toVersion author { name } startedAt endedAt }
        pageInfo { hasNextPage endCursor } } }";

async fn history(by: &impl Client, pair: &Pair, first: i64, after: Value) -> Answer {
    by.run(HISTORY, json!({ "id": pair.document, "first": first, "after": after })).await
}

async fn at(by: &impl Client, pair: &Pair, version: i64) -> Answer {
    let operation = "query($id: ID!, $version: Int!) {
        documentAt(documentId: $id, version: $version) { documentId version content } }";
    by.run(operation, json!({ "id": pair.document, "version": version })).await
}

async fn restore(by: &impl Client, pair: &Pair, version: i64) -> Answer {
    let operation = "mutation($id: ID!, $version: Int!) {
        restoreDocument(documentId: $id, version: $version) { version } }";
    by.run(operation, json!({ "id": pair.document, "version": version })).await
}

/// The first version, last version and author of each entry.
fn entries(history: &Value) -> Vec<(i64, i64, &str)> {
    let version = |entry: &Value, field: &str| entry[field].as_i64().unwrap();
    let entries = history["nodes"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let author = entry["author"]["name"].as_str().unwrap();
            (version(entry, "fromVersion"), version(entry, "toVersion"), author)
        })
        .collect()
}

#[actix_web::test]
async fn changes_of_both_protocols_are_grouped_by_author() {
    let pair = Pair::start().await;
    pair.alice.write(pair.document, "Welcome. One.").await.value();
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    for (version, word) in [(3, "two"), (4, "three")] {
        editor.insert(0, word).await;
        assert_eq!(editor.expect_saved().await, version);
    }
    pair.alice.rename(pair.document, "Project Beta").await.value();

    let all = history(&pair.bob, &pair, 20, Value::Null).await.value();
    let expected = [(5, 5, "Alice"), (3, 4, "Bob"), (1, 2, "Alice")];
    assert_eq!(entries(&all), expected);
    assert_eq!(all["pageInfo"]["hasNextPage"], false);

    let (mut after, mut read) = (Value::Null, Vec::new());
    for n in 0..3 {
        let page = history(&pair.bob, &pair, 1, after).await.value();
        let (from, to, author) = entries(&page)[0];
        read.push((from, to, author.to_owned()));
        after = page["pageInfo"]["endCursor"].clone();
        assert_eq!(after, page["edges"][0]["cursor"]);
        assert_eq!(page["pageInfo"]["hasNextPage"], n < 2);
    }
    assert_eq!(read, expected.map(|(from, to, author)| (from, to, author.to_owned())));
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_earlier_text_is_read_and_restored_as_a_new_change() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    let tab = pair.alice.open(pair.document).await;
    editor.insert(0, "Hello. ").await;
    tab.expect_version(2).await;
    pair.alice.write(pair.document, "All gone").await.value();
    editor.expect_text("All gone").await;

    for (version, content) in [(1, "Welcome."), (2, "Hello. Welcome."), (3, "All gone")] {
        let found = at(&pair.bob, &pair, version).await.value();
        assert_eq!((&found["version"], &found["content"]), (&json!(version), &json!(content)));
    }
    assert_eq!(restore(&pair.bob, &pair, 2).await.value()["version"], 4);
    editor.expect_text("Hello. Welcome.").await;
    let change = tab.expect_version(4).await;
    assert_eq!(
        (&change["author"]["name"], &change["content"]),
        (&json!("Bob"), &json!("Hello. Welcome."))
    );
    assert_eq!(
        at(&pair.bob, &pair, 3).await.value()["content"],
        "All gone",
        "the replaced text stays in the history"
    );
    assert_eq!(
        restore(&pair.bob, &pair, 2).await.value()["version"],
        4,
        "the text is already this one"
    );
    pair.stop((tab, editor)).await;
}

#[actix_web::test]
async fn viewers_read_the_history_and_editors_restore() {
    let pair = Pair::start().await;
    let mallory = pair.node.person("Mallory").await;
    for answer in [
        history(&mallory, &pair, 5, Value::Null).await,
        at(&mallory, &pair, 1).await,
        restore(&mallory, &pair, 1).await,
    ] {
        assert_eq!(answer.code(), "FORBIDDEN");
    }
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    assert_eq!(at(&pair.bob, &pair, 1).await.value()["content"], "Welcome.");
    assert_eq!(restore(&pair.bob, &pair, 1).await.code(), "FORBIDDEN");

    for version in [0, -1, 2] {
        assert_eq!(at(&pair.bob, &pair, version).await.code(), "BAD_USER_INPUT", "{version}");
        assert_eq!(restore(&pair.alice, &pair, version).await.code(), "BAD_USER_INPUT");
    }
    for first in [0, 101] {
        assert_eq!(history(&pair.bob, &pair, first, Value::Null).await.code(), "BAD_USER_INPUT");
    }
    assert_eq!(history(&pair.bob, &pair, 5, json!("x")).await.code(), "BAD_USER_INPUT");
    pair.stop(()).await;
}
