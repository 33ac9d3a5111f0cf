//! Edits by deltas and whole texts: how they are merged, which are refused, and how they are repeated.

use kit::{Client as _, Pair};
use serde_json::{Value, json};

#[actix_web::test]
async fn edits_at_different_positions_are_both_kept() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open().await;

    let first = alices.edit(pair.document, 1, json!([{ "insert": "Dear Bob. " }])).await.value();
    let second = bobs.edit(pair.document, 1, json!([{ "retain": 7 }, { "insert": " home" }])).await;

    assert_eq!((&first["version"], &second.value()["version"]), (&json!(2), &json!(3)));
    assert_eq!(pair.alice.read_text(pair.document).await, "Dear Bob. Welcome home.");
    let change = bobs.expect_version(2).await;
    assert_eq!(
        change["delta"],
        json!([{ "retain": null, "insert": "Dear Bob. ", "delete": null }])
    );
    assert_eq!(change["kind"], "EDITED");
    let change = alices.expect_version(3).await;
    let rebased: Vec<_> =
        change["delta"].as_array().unwrap().iter().map(|op| &op["retain"]).collect();
    assert_eq!(rebased, [&json!(17), &Value::Null], "relative to the version before");
    assert_eq!(change["content"], "Dear Bob. Welcome home.");
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn insertions_at_one_position_have_the_same_order_for_all() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open().await;

    alices.edit(pair.document, 1, json!([{ "insert": "A" }])).await.value();
    bobs.edit(pair.document, 1, json!([{ "insert": "B" }])).await.value();

    assert_eq!(alices.expect_version(3).await["content"], "ABWelcome.");
    assert_eq!(pair.bob.read_text(pair.document).await, "ABWelcome.");
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn an_edit_of_version_zero_is_merged() {
    let pair = Pair::start().await;
    pair.alice
        .edit(pair.document, 1, json!([{ "retain": 8 }, { "insert": " Hello." }]))
        .await
        .value();

    pair.bob.edit(pair.document, 0, json!([{ "insert": "Mine." }])).await.value();

    assert_eq!(pair.alice.read_text(pair.document).await, "Welcome. Hello.Mine.");
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_whole_text_is_merged_as_a_difference() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    alice.write(*document, "The quick brown fox 🦊 jumps.\n").await.value();
    alice.write(*document, "The slow brown fox 🦊 jumps.\n").await.value();

    let theirs = json!({ "content": "The quick brown fox 🐱 jumps.\n", "baseVersion": 2 });
    let merged = bob.update(*document, theirs).await.value();

    assert_eq!(merged["content"], "The slow brown fox 🐱 jumps.\n");
    assert_eq!(merged["version"], 4);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_large_difference_keeps_what_others_have_changed_in_it() {
    const LINES: usize = 20_000;
    let pair = Pair::start().await;
    let lines: Vec<String> = (0..LINES).map(|line| format!("line {line}\n")).collect();
    pair.alice.write(pair.document, &lines.concat()).await.value();
    // Bob deletes a line and writes into another one. Alice has not seen that, and indents every line.
    let deleted = lines[..3_000].concat().len();
    let written = lines[3_001..10_000].concat().len() - 1;
    let steps = json!([{ "retain": deleted }, { "delete": lines[3_000].len() },
        { "retain": written }, { "insert": ", by Bob" }]);
    pair.bob.edit(pair.document, 2, steps).await.value();
    let indented: String = lines.iter().map(|line| format!("  {line}")).collect();
    let replace = "mutation($id: ID!, $content: String!) {
        updateDocument(id: $id, content: $content, baseVersion: 2) { version } }";
    let variables = json!({ "id": pair.document, "content": indented });
    pair.alice.run(replace, variables).await.value();

    let text = pair.alice.read_text(pair.document).await;
    let merged: Vec<&str> = text.lines().collect();
    // The indentation of the deleted line is all that is left of it.
    assert_eq!(merged.len(), LINES - 1);
    assert!(!text.contains("line 3000\n"), "it is deleted");
    assert!(text.contains("  line 9999, by Bob\n"), "{:?}", merged[9_998]);
    pair.stop(()).await;
}

#[actix_web::test]
async fn offsets_count_utf16_code_units() {
    let pair = Pair::start().await;
    pair.alice.write(pair.document, "🎈é🎈").await.value();

    let delta = json!([{ "retain": 3 }, { "insert": "👍" }, { "delete": 2 }]);
    pair.bob.edit(pair.document, 2, delta).await.value();

    assert_eq!(pair.alice.read_text(pair.document).await, "🎈é👍");
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_invalid_delta_is_refused_with_a_reason() {
    let limits = [("COSCRIBE__LIMITS__DOCUMENT", "12")];
    let pair = Pair::start_with(&limits).await;
    pair.alice.write(pair.document, "🎈23456789").await.value();

    for (base, delta, reason) in [
        (2, json!([{ "retain": 11 }, { "insert": "x" }]), "covers 11 UTF-16 code units"),
        (2, json!([{ "delete": 11 }]), "of a text of 10"),
        (2, json!([{ "retain": 1 }, { "insert": "x" }]), "inside a surrogate pair"),
        (2, json!([{ "delete": 1 }]), "inside a surrogate pair"),
        (1, json!([{ "retain": 9 }, { "insert": "x" }]), "of a text of 8"),
        (2, json!([{ "retain": 2, "insert": "x" }]), "Step 0 of the delta must have exactly one"),
        (2, json!([{ "retain": 2 }, {}]), "Step 1 of the delta must have exactly one"),
        (2, json!([{ "retain": -1 }]), "negative"),
        (2, json!([{ "delete": 0 }]), "zero"),
        (2, json!([{ "delete": 2_147_483_647 }, { "delete": 2_147_483_647 }]), "larger than any"),
        (2, json!([{ "insert": "" }]), "inserts nothing"),
        (2, json!([{ "insert": "a\u{0}" }]), "NUL"),
        (2, json!([{ "insert": "x" }]), "would have 13 bytes; a document holds at most 12"),
        (3, json!([{ "delete": 2 }]), "`baseVersion` is above version 2"),
        (0, json!([{ "delete": 2 }]), "of a text of 0"),
        (-1, json!([{ "delete": 2 }]), "`baseVersion` is -1"),
    ] {
        let refused = pair.bob.edit(pair.document, base, delta.clone()).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{delta}");
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(reason), "{delta}: {message}");
    }

    let document = pair.alice.read(pair.document).await;
    assert_eq!((&document["version"], &document["content"]), (&json!(2), &json!("🎈23456789")));
    let fits = pair.bob.edit(pair.document, 2, json!([{ "delete": 2 }, { "insert": "0" }])).await;
    assert_eq!(fits.value()["version"], 3);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_repeated_edit_gets_the_same_answer() {
    let mut pair = Pair::start().await;
    let delta = || json!([{ "insert": "once " }]);
    let first = pair.bob.edit_as(pair.document, 1, delta(), json!("a")).await.value();
    pair.alice.edit(pair.document, 2, json!([{ "insert": "later " }])).await.value();

    assert_eq!(pair.bob.edit_as(pair.document, 1, delta(), json!("a")).await.value(), first);
    pair.node.restart().await;
    (pair.alice, pair.bob) = (pair.alice.at(&pair.node), pair.bob.at(&pair.node));
    assert_eq!(pair.bob.edit_as(pair.document, 1, delta(), json!("a")).await.value(), first);

    let other =
        pair.bob.edit_as(pair.document, 1, json!([{ "insert": "other " }]), json!("a")).await;
    assert_eq!(other.code(), "CONFLICT");
    assert_eq!(
        pair.alice.edit_as(pair.document, 3, delta(), json!("a")).await.value()["version"],
        4
    );
    assert_eq!(pair.alice.read_text(pair.document).await, "once later once Welcome.");
    for wrong in [json!(""), json!("x".repeat(129)), json!("a\nb")] {
        let refused = pair.bob.edit_as(pair.document, 1, delta(), wrong).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_repeated_update_gets_the_same_answer_even_without_effect() {
    let pair = Pair::start().await;
    let update = "mutation ($id: ID!, $content: String!, $title: String, $name: ID) {
        updateDocument(id: $id, content: $content, title: $title, mutationId: $name) {
            version title content
        }
    }";
    let send = async |content: &str, title: Value, name: &str| {
        let variables =
            json!({ "id": pair.document, "content": content, "title": title, "name": name });
        pair.bob.run(update, variables).await.value()
    };
    let unchanged = send("Welcome.", Value::Null, "nothing").await;
    assert_eq!(unchanged["version"], 1);
    let both = send("Hello.", json!("New"), "both").await;
    assert_eq!(both, json!({ "version": 3, "title": "New", "content": "Hello." }));
    pair.alice.write(pair.document, "Another text.").await.value();

    assert_eq!(send("Welcome.", Value::Null, "nothing").await, unchanged);
    assert_eq!(send("Hello.", json!("New"), "both").await, both);
    assert_eq!(pair.alice.read_text(pair.document).await, "Another text.");
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_edit_that_becomes_empty_makes_no_version() {
    let pair = Pair::start().await;
    let delta = || json!([{ "delete": 7 }]);
    pair.alice.edit(pair.document, 1, delta()).await.value();

    assert_eq!(pair.bob.edit(pair.document, 1, delta()).await.value()["version"], 2);
    assert_eq!(pair.bob.edit(pair.document, 2, json!([])).await.value()["version"], 2);
    assert_eq!(pair.alice.read_text(pair.document).await, ".");
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_edit_of_a_version_that_is_too_old_is_a_conflict() {
    let settings = [
        ("COSCRIBE__ROOM__REBASE_BYTES", "3000"),
        // Nothing is kept in memory, so the change log is read.
        ("COSCRIBE__ROOM__RECENT_BYTES", "1"),
    ];
    let pair = Pair::start_with(&settings).await;
    let tab = pair.alice.open(pair.document).await;
    for base in 1..=30 {
        tab.edit(pair.document, base, json!([{ "insert": "x" }])).await.value();
    }

    let old = tab.edit(pair.document, 1, json!([{ "insert": "late" }])).await;
    assert_eq!((old.code(), &old.error()["extensions"]["head"]), ("CONFLICT", &json!(31)));
    assert_eq!(
        tab.edit(pair.document, 29, json!([{ "insert": "y" }])).await.value()["version"],
        32
    );
    pair.stop(tab).await;
}

#[actix_web::test]
async fn a_delta_with_too_many_steps_is_refused() {
    let pair = Pair::start().await;
    let step = |n: usize| {
        if n.is_multiple_of(2) { json!({ "insert": "x" }) } else { json!({ "retain": 1 }) }
    };
    let steps: Vec<Value> = (0..10_001).map(step).collect();

    let refused = pair.alice.edit(pair.document, 1, Value::Array(steps)).await;

    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.error()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("The delta has 10001 steps; at most 10000 are allowed."),
        "{message}"
    );
    pair.stop(()).await;
}
