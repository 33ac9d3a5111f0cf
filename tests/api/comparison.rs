//! What versions differ in, who wrote what, and how much each entry of the history changed.

use coscribe::editing::{Kept, compact};
use kit::{Answer, Client, Node as _, Pair, expect_eventually, new_doc};
use serde_json::{Value, json};
use yrs::{
    ReadTxn as _, StateVector, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _,
    XmlTextPrelim, merge_updates_v1,
};

async fn compare(by: &impl Client, pair: &Pair, from: i64, to: i64) -> Answer {
    let operation = "query($id: ID!, $from: Int!, $to: Int!) {
        compare(documentId: $id, from: $from, to: $to) {
            documentId fromVersion toVersion json
            counts { insertedCharacters deletedCharacters insertedNodes deletedNodes changedEntries } } }";
    by.run(operation, json!({ "id": pair.document, "from": from, "to": to })).await
}

/// Returns what two versions differ in.
async fn difference(pair: &Pair, from: i64, to: i64) -> (Value, Value) {
    let found = compare(&pair.bob, pair, from, to).await.value();
    assert_eq!((&found["fromVersion"], &found["toVersion"]), (&json!(from), &json!(to)));
    let json = found["json"].as_str().unwrap();
    (serde_json::from_str(json).unwrap(), found["counts"].clone())
}

async fn passages(by: &impl Client, pair: &Pair, variables: Value) -> Answer {
    let operation = "query($id: ID!, $root: String, $version: Int, $after: String) {
        passages(documentId: $id, root: $root, version: $version, after: $after) {
            documentId version endCursor
            nodes { root path node offset length text author { name }
                fromVersion toVersion startedAt endedAt } } }";
    let mut all = json!({ "id": pair.document });
    all.as_object_mut().unwrap().extend(variables.as_object().unwrap().clone());
    by.run(operation, all).await
}

/// The root, text, author and first version of a passage.
type Written<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<i64>);

fn written(passages: &Value) -> Vec<Written<'_>> {
    let nodes = passages["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            (
                node["root"].as_str().unwrap(),
                node["text"].as_str(),
                node["author"]["name"].as_str(),
                node["fromVersion"].as_i64(),
            )
        })
        .collect()
}

/// Returns the update of an editor that adds a paragraph to a tree.
fn paragraph(text: &str) -> Vec<u8> {
    let doc = new_doc();
    {
        let mut txn = doc.transact_mut();
        let body = txn.get_or_insert_xml_fragment("default");
        let paragraph = body.insert(&mut txn, 0, XmlElementPrelim::empty("paragraph"));
        paragraph.insert(&mut txn, 0, XmlTextPrelim::new(text));
    }
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

#[actix_web::test]
async fn versions_differ_by_texts_and_trees() {
    let pair = Pair::start().await;
    pair.alice.write(pair.document, "Welcome. One.").await.value();
    let editor = pair.bob.open_editor(pair.document).await;
    let tab = pair.alice.open(pair.document).await;
    editor.send_update(&paragraph("Hello")).await;
    tab.expect_version(3).await;
    editor.delete(8, 5).await;
    tab.expect_version(4).await;

    let (there, counts) = difference(&pair, 1, 2).await;
    let ops = json!([{ "retain": 8 }, { "insert": " One." }]);
    assert_eq!(there, json!({ "content": { "ops": ops } }));
    assert_eq!(counts["insertedCharacters"], 5);
    assert_eq!(counts["deletedCharacters"], 0);

    let (there, counts) = difference(&pair, 2, 3).await;
    let text = json!({ "type": "text", "text": "Hello" });
    let node = json!({ "type": "paragraph", "content": [text] });
    assert_eq!(there, json!({ "default": { "content": [{ "insert": [node] }] } }));
    assert_eq!(counts["insertedCharacters"], 5);
    assert_eq!(counts["insertedNodes"], 1);

    let (back, counts) = difference(&pair, 3, 1).await;
    assert_eq!(back["content"], json!({ "ops": [{ "retain": 8 }, { "delete": 5 }] }));
    assert_eq!(back["default"]["content"], json!([{ "delete": [node] }]));
    assert_eq!(counts["deletedCharacters"], 10);
    assert_eq!(counts["deletedNodes"], 1);
    assert_eq!(difference(&pair, 2, 2).await.0, json!({}));

    // Version 0 is the document before it was created.
    let (created, counts) = difference(&pair, 0, 1).await;
    assert_eq!(created, json!({ "content": { "ops": [{ "insert": "Welcome." }] } }));
    assert_eq!(counts["insertedCharacters"], 8);
    assert_eq!(difference(&pair, 0, 0).await.0, json!({}));
    assert_eq!(compare(&pair.bob, &pair, -1, 1).await.code(), "BAD_USER_INPUT");
    pair.stop((editor, tab)).await;
}

#[actix_web::test]
async fn each_passage_has_its_author_whatever_they_write_with() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    let tab = pair.alice.open(pair.document).await;
    editor.insert(0, "Hello. ").await;
    assert_eq!(editor.expect_saved().await, 2);
    tab.expect_version(2).await;
    let insertion = json!([{ "retain": 5 }, { "insert": ", dear" }]);
    pair.alice.edit(pair.document, 2, insertion).await.value();
    editor.expect_text("Hello, dear. Welcome.").await;
    editor.send_update(&paragraph("A tree")).await;
    tab.expect_version(4).await;

    let found = passages(&pair.bob, &pair, json!({})).await.value();
    assert_eq!((&found["version"], &found["endCursor"]), (&json!(4), &Value::Null));
    let expected = [
        ("content", Some("Hello"), Some("Bob"), Some(2)),
        ("content", Some(", dear"), Some("Alice"), Some(3)),
        ("content", Some(". "), Some("Bob"), Some(2)),
        ("content", Some("Welcome."), Some("Alice"), Some(1)),
        ("default", Some("A tree"), Some("Bob"), Some(4)),
    ];
    assert_eq!(written(&found), expected);
    let last = &found["nodes"][4];
    assert_eq!((&last["path"], &last["node"]), (&json!("0/0"), &json!("paragraph")));
    let second = &found["nodes"][1];
    assert_eq!((&second["offset"], &second["length"]), (&json!(5), &json!(6)));
    assert_eq!((&second["toVersion"], &second["startedAt"]), (&json!(3), &second["endedAt"]));

    let then = passages(&pair.alice, &pair, json!({ "version": 2 })).await.value();
    let earlier = [in_content("Hello. ", "Bob", 2), in_content("Welcome.", "Alice", 1)];
    assert_eq!(written(&then), earlier);
    let tree = passages(&pair.alice, &pair, json!({ "root": "default" })).await.value();
    assert_eq!(written(&tree), expected[4..]);
    let none = passages(&pair.alice, &pair, json!({ "root": "none" })).await.value();
    assert!(written(&none).is_empty());
    pair.stop((editor, tab)).await;
}

fn in_content<'a>(text: &'a str, author: &'a str, from: i64) -> Written<'a> {
    ("content", Some(text), Some(author), Some(from))
}

#[actix_web::test]
async fn many_passages_are_read_page_by_page() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    // Bob's letters divide what Alice has written into 601 passages.
    pair.alice.write(pair.document, &"a".repeat(601)).await.value();
    editor.expect_text(&"a".repeat(601)).await;
    let updates: Vec<_> = (0..600).map(|at| editor.insert_unsent(2 * at + 1, "b")).collect();
    editor.send_update(&merge_updates_v1(updates).unwrap()).await;
    assert_eq!(editor.expect_saved().await, 3);
    let whole = format!("{}a", "ab".repeat(600));
    let (mut after, mut read, mut pages) = (Value::Null, String::new(), 0);
    loop {
        let found = passages(&pair.alice, &pair, json!({ "after": after })).await.value();
        for (_, text, author, _) in written(&found) {
            let text = text.unwrap();
            assert_eq!(author.unwrap() == "Bob", text == "b");
            read.push_str(text);
        }
        pages += 1;
        after = found["endCursor"].clone();
        if after.is_null() {
            break;
        }
        let other = json!({ "after": after, "version": 1 });
        assert_eq!(passages(&pair.alice, &pair, other).await.code(), "BAD_USER_INPUT");
    }
    assert_eq!((read, pages), (whole, 3));
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_entry_counts_what_its_changes_inserted_and_deleted() {
    let pair = Pair::start().await;
    let editor = pair.bob.open_editor(pair.document).await;
    let tab = pair.alice.open(pair.document).await;
    editor.send_update(&paragraph("Hello")).await;
    tab.expect_version(2).await;
    editor.delete(0, 3).await;
    tab.expect_version(3).await;
    let operation = "query($id: ID!) { documentHistory(documentId: $id) {
        nodes { fromVersion counts { insertedCharacters insertedNodes deletedUnits } } } }";
    let found = pair.alice.run(operation, json!({ "id": pair.document })).await.value();
    let counts = json!({ "insertedCharacters": 5, "insertedNodes": 2, "deletedUnits": 3 });
    assert_eq!(found["nodes"][0], json!({ "fromVersion": 2, "counts": counts }));
    let counts = json!({ "insertedCharacters": 0, "insertedNodes": 0, "deletedUnits": 0 });
    assert_eq!(found["nodes"][1], json!({ "fromVersion": 1, "counts": counts }));
    pair.stop((editor, tab)).await;
}

#[actix_web::test]
async fn viewers_compare_versions_and_find_authors() {
    let pair = Pair::start().await;
    let mallory = pair.node.person("Mallory").await;
    assert_eq!(compare(&mallory, &pair, 1, 1).await.code(), "FORBIDDEN");
    assert_eq!(passages(&mallory, &pair, json!({})).await.code(), "FORBIDDEN");
    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
    assert_eq!(difference(&pair, 1, 1).await.0, json!({}));
    let found = passages(&pair.bob, &pair, json!({})).await.value();
    assert_eq!(written(&found), [in_content("Welcome.", "Alice", 1)]);
    for (from, to) in [(2, 0), (1, 2), (-1, 1)] {
        assert_eq!(compare(&pair.bob, &pair, from, to).await.code(), "BAD_USER_INPUT");
    }
    for variables in [json!({ "version": 2 }), json!({ "after": "x" }), json!({ "after": "9.0" })] {
        assert_eq!(passages(&pair.bob, &pair, variables).await.code(), "BAD_USER_INPUT");
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_compaction_leaves_the_authors_of_what_comes_after_it() {
    let pair = Pair::start().await;
    compact(pair.node.store(), pair.document, Kept::Everything).await.unwrap();
    pair.bob.write(pair.document, "Welcome. More.").await.value();
    let found = passages(&pair.alice, &pair, json!({})).await.value();
    let expected = [("content", Some("Welcome."), None, None), in_content(" More.", "Bob", 3)];
    assert_eq!(written(&found), expected);
    let before = passages(&pair.alice, &pair, json!({ "version": 1 })).await.value();
    assert_eq!(written(&before), [in_content("Welcome.", "Alice", 1)]);
    // Text is compared by what it is.
    let ops = json!([{ "retain": 8 }, { "insert": " More." }]);
    assert_eq!(difference(&pair, 1, 3).await.0, json!({ "content": { "ops": ops } }));
    pair.stop(()).await;
}

#[actix_web::test]
async fn what_is_older_than_the_history_has_no_author() {
    let settings =
        [("COSCRIBE__STORE__HISTORY_KEPT", "0s"), ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "1")];
    let pair = Pair::start_with(&settings).await;
    pair.bob.write(pair.document, "Welcome. Two.").await.value();
    let delete = "mutation($id: ID!) { deleteHistory(documentId: $id) { hasMore } }";
    // A snapshot is stored in the background.
    expect_eventually("the end of the first version", async || {
        pair.alice.run(delete, json!({ "id": pair.document })).await.value();
        !compare(&pair.bob, &pair, 1, 2).await.is_ok()
    })
    .await;
    assert_eq!(compare(&pair.bob, &pair, 1, 2).await.code(), "BAD_USER_INPUT");
    pair.alice.write(pair.document, "Welcome. Two. Three.").await.value();
    let found = passages(&pair.bob, &pair, json!({})).await.value();
    let expected =
        [("content", Some("Welcome. Two."), None, None), in_content(" Three.", "Alice", 3)];
    assert_eq!(written(&found), expected);
    pair.stop(()).await;
}
