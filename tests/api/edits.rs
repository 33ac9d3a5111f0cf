//! Changing the text together: merged, stored, then told.

use futures_util::future::join_all;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{Answer, Client, ON_FILE, Pair, Person, Tab, TestNode};

const EDIT: &str = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID) {
    editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version }
}";

/// Sends a delta.
async fn edit(who: &impl Client, pair: &Pair, base: i64, delta: Value) -> Answer {
    named(who, pair, base, delta, Value::Null).await
}

/// Sends a delta that has a name.
async fn named(who: &impl Client, pair: &Pair, base: i64, delta: Value, name: Value) -> Answer {
    let variables =
        json!({ "id": pair.document.to_string(), "base": base, "delta": delta, "name": name });
    who.run(EDIT, variables).await
}

async fn text(who: &Person, pair: &Pair) -> String {
    who.read(pair.document).await["content"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn what_two_write_at_different_places_both_stays() {
    let pair = Pair::meet().await;
    let (alices, bobs) = pair.open().await;

    let first = edit(&alices, &pair, 1, json!([{ "insert": "Dear Bob. " }])).await.value();
    let second = edit(&bobs, &pair, 1, json!([{ "retain": 7 }, { "insert": " home" }])).await;

    assert_eq!((&first["version"], &second.value()["version"]), (&json!(2), &json!(3)));
    assert_eq!(text(&pair.alice, &pair).await, "Dear Bob. Welcome home.");
    let told = bobs.expect_version(2).await;
    assert_eq!(told["delta"], json!([{ "retain": null, "insert": "Dear Bob. ", "delete": null }]));
    assert_eq!(told["kind"], "EDITED");
    let told = alices.expect_version(3).await;
    let rebased: Vec<_> =
        told["delta"].as_array().unwrap().iter().map(|op| &op["retain"]).collect();
    assert_eq!(rebased, [&json!(17), &Value::Null], "told as a step from the version before");
    assert_eq!(told["content"], "Dear Bob. Welcome home.");
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn at_the_same_place_both_texts_stay_in_one_order_for_everybody() {
    let pair = Pair::meet().await;
    let (alices, bobs) = pair.open().await;

    edit(&alices, &pair, 1, json!([{ "insert": "A" }])).await.value();
    edit(&bobs, &pair, 1, json!([{ "insert": "B" }])).await.value();

    assert_eq!(alices.expect_version(3).await["content"], "ABWelcome.");
    assert_eq!(text(&pair.bob, &pair).await, "ABWelcome.");
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn what_was_written_for_the_empty_text_before_the_first_version_is_merged_too() {
    let pair = Pair::meet().await;
    edit(&pair.alice, &pair, 1, json!([{ "retain": 8 }, { "insert": " Hello." }])).await.value();

    edit(&pair.bob, &pair, 0, json!([{ "insert": "Mine." }])).await.value();

    assert_eq!(text(&pair.alice, &pair).await, "Welcome. Hello.Mine.");
    pair.end(()).await;
}

#[actix_web::test]
async fn a_whole_text_is_merged_as_the_difference_that_it_makes() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    alice.write(*document, "The quick brown fox 🦊 jumps.\n").await.value();
    alice.write(*document, "The slow brown fox 🦊 jumps.\n").await.value();

    let his = json!({ "content": "The quick brown fox 🐱 jumps.\n", "baseVersion": 2 });
    let merged = bob.update(*document, his).await.value();

    assert_eq!(merged["content"], "The slow brown fox 🐱 jumps.\n");
    assert_eq!(merged["version"], 4);
    pair.end(()).await;
}

#[actix_web::test]
async fn offsets_count_utf16_code_units() {
    let pair = Pair::meet().await;
    pair.alice.write(pair.document, "🎈é🎈").await.value();

    let delta = json!([{ "retain": 3 }, { "insert": "👍" }, { "delete": 2 }]);
    edit(&pair.bob, &pair, 2, delta).await.value();

    assert_eq!(text(&pair.alice, &pair).await, "🎈é👍");
    pair.end(()).await;
}

#[actix_web::test]
async fn what_cannot_be_done_is_refused_in_words_and_changes_nothing() {
    let limits = [("COSCRIBE__LIMITS__DOCUMENT", "12")];
    let pair = Pair::meet_with(&limits).await;
    pair.alice.write(pair.document, "🎈23456789").await.value();

    for (base, delta, says) in [
        (2, json!([{ "retain": 11 }, { "insert": "x" }]), "reaches 11 UTF-16 code units"),
        (2, json!([{ "delete": 11 }]), "into a text of 10"),
        (2, json!([{ "retain": 1 }, { "insert": "x" }]), "inside a surrogate pair"),
        (2, json!([{ "delete": 1 }]), "inside a surrogate pair"),
        (1, json!([{ "retain": 9 }, { "insert": "x" }]), "into a text of 8"),
        (2, json!([{ "retain": 2, "insert": "x" }]), "Step 0 of the delta must have exactly one"),
        (2, json!([{ "retain": 2 }, {}]), "Step 1 of the delta must have exactly one"),
        (2, json!([{ "retain": -1 }]), "negative"),
        (2, json!([{ "delete": 0 }]), "zero"),
        (2, json!([{ "delete": 2_147_483_647 }, { "delete": 2_147_483_647 }]), "larger than any"),
        (2, json!([{ "insert": "" }]), "inserts nothing"),
        (2, json!([{ "insert": "a\u{0}" }]), "NUL"),
        (2, json!([{ "insert": "x" }]), "would have 13 bytes; a document holds at most 12"),
        (3, json!([{ "delete": 2 }]), "`baseVersion` is above version 2"),
        (0, json!([{ "delete": 2 }]), "into a text of 0"),
        (-1, json!([{ "delete": 2 }]), "`baseVersion` is -1"),
    ] {
        let refused = edit(&pair.bob, &pair, base, delta.clone()).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{delta}");
        let message = refused.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{delta}: {message}");
    }

    let document = pair.alice.read(pair.document).await;
    assert_eq!((&document["version"], &document["content"]), (&json!(2), &json!("🎈23456789")));
    let fits = edit(&pair.bob, &pair, 2, json!([{ "delete": 2 }, { "insert": "0" }])).await;
    assert_eq!(fits.value()["version"], 3);
    pair.end(()).await;
}

#[actix_web::test]
async fn an_edit_that_is_repeated_gets_the_same_answer_and_changes_nothing() {
    let mut pair = Pair::meet().await;
    let delta = || json!([{ "insert": "once " }]);
    let first = named(&pair.bob, &pair, 1, delta(), json!("a")).await.value();
    edit(&pair.alice, &pair, 2, json!([{ "insert": "later " }])).await.value();

    assert_eq!(named(&pair.bob, &pair, 1, delta(), json!("a")).await.value(), first);
    pair.node.restart().await;
    (pair.alice, pair.bob) = (pair.alice.at(&pair.node), pair.bob.at(&pair.node));
    assert_eq!(named(&pair.bob, &pair, 1, delta(), json!("a")).await.value(), first);

    let other = named(&pair.bob, &pair, 1, json!([{ "insert": "other " }]), json!("a")).await;
    assert_eq!(other.code(), "CONFLICT");
    assert_eq!(named(&pair.alice, &pair, 3, delta(), json!("a")).await.value()["version"], 4);
    assert_eq!(text(&pair.alice, &pair).await, "once later once Welcome.");
    for wrong in [json!(""), json!("x".repeat(129)), json!("a\nb")] {
        let refused = named(&pair.bob, &pair, 1, delta(), wrong).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
    }
    pair.end(()).await;
}

#[actix_web::test]
async fn a_repeated_update_is_answered_as_it_was_even_if_it_changed_nothing() {
    let pair = Pair::meet().await;
    let update = "mutation ($id: ID!, $content: String!, $title: String, $name: ID) {
        updateDocument(id: $id, content: $content, title: $title, mutationId: $name) {
            version title content
        }
    }";
    let send = async |content: &str, title: Value, name: &str| {
        let id = pair.document.to_string();
        let variables = json!({ "id": id, "content": content, "title": title, "name": name });
        pair.bob.run(update, variables).await.value()
    };
    let nothing = send("Welcome.", Value::Null, "nothing").await;
    assert_eq!(nothing["version"], 1);
    let both = send("Hello.", json!("New"), "both").await;
    assert_eq!(both, json!({ "version": 3, "title": "New", "content": "Hello." }));
    pair.alice.write(pair.document, "Quite another text.").await.value();

    assert_eq!(send("Welcome.", Value::Null, "nothing").await, nothing);
    assert_eq!(send("Hello.", json!("New"), "both").await, both);
    assert_eq!(text(&pair.alice, &pair).await, "Quite another text.");
    pair.end(()).await;
}

#[actix_web::test]
async fn an_edit_of_which_nothing_is_left_makes_no_version() {
    let pair = Pair::meet().await;
    let delta = || json!([{ "delete": 7 }]);
    edit(&pair.alice, &pair, 1, delta()).await.value();

    assert_eq!(edit(&pair.bob, &pair, 1, delta()).await.value()["version"], 2);
    assert_eq!(edit(&pair.bob, &pair, 2, json!([])).await.value()["version"], 2);
    assert_eq!(text(&pair.alice, &pair).await, ".");
    pair.end(()).await;
}

#[actix_web::test]
async fn versions_have_no_hole_and_the_text_is_all_deltas_after_each_other() {
    const WRITERS: usize = 6;
    const EDITS: usize = 15;
    let pair = Pair::meet().await;
    let onlooker = pair.alice.open(pair.document).await;
    let mut tabs: Vec<Tab> = Vec::new();
    for _ in 0..WRITERS {
        tabs.push(pair.bob.open(pair.document).await);
    }

    // Everybody writes at the beginning of the text that he saw first.
    let writing = tabs.iter().enumerate().map(async |(writer, tab)| {
        for number in 0..EDITS {
            let delta = json!([{ "insert": format!("<{writer}.{number}🎈>") }]);
            edit(tab, &pair, 1, delta).await.value();
        }
    });
    join_all(writing).await;

    let mut content = coscribe::domain::Content::from("Welcome.");
    for version in 2..2 + (WRITERS * EDITS) as i64 {
        let change = onlooker.expect_version(version).await;
        let steps = change["delta"].as_array().unwrap().iter();
        let steps: Vec<_> =
            steps.map(|step| serde_json::from_value(step.clone()).unwrap()).collect();
        let delta = coscribe::domain::Delta::from_steps(steps).unwrap();
        content = content.apply(&delta).unwrap();
        assert_eq!(content.to_string(), change["content"].as_str().unwrap());
    }
    assert_eq!(content.to_string(), text(&pair.alice, &pair).await);
    for writer in 0..WRITERS {
        for number in 0..EDITS {
            let mark = format!("<{writer}.{number}🎈>");
            assert_eq!(content.to_string().matches(&mark).count(), 1, "{mark}");
        }
    }
    let (first, last) =
        (coscribe::domain::Version::FIRST, coscribe::domain::Version::new(i64::MAX));
    let store = pair.node.node().store();
    let stored = store.list_changes(pair.document, first, last, usize::MAX).await.unwrap();
    let numbers: Vec<_> = stored.iter().map(|change| change.version.number()).collect();
    assert_eq!(numbers, (2..2 + (WRITERS * EDITS) as i64).collect::<Vec<_>>());
    pair.end((onlooker, tabs)).await;
}

#[actix_web::test]
async fn an_editor_who_is_lowered_while_his_edits_wait_is_refused() {
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "10000"),
    ];
    let pair = Pair::meet_with(&limits).await;
    let bobs = pair.bob.open(pair.document).await;
    for round in 0..10 {
        pair.alice.grant(pair.document, &pair.bob, "EDIT").await.value();
        let before = pair.alice.read(pair.document).await["version"].as_i64().unwrap();

        let edits = (0..20).map(|_| edit(&bobs, &pair, before, json!([{ "insert": "x" }])));
        let lowering = async {
            for _ in 0..round {
                pair.alice.read(pair.document).await;
            }
            pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
            pair.alice.read(pair.document).await["version"].as_i64().unwrap()
        };
        let (answers, lowered) = futures_util::future::join(join_all(edits), lowering).await;

        // What was accepted came before the lowering: nothing after it.
        let accepted = answers.iter().filter(|answer| answer.is_ok()).count() as i64;
        let after = pair.alice.read(pair.document).await["version"].as_i64().unwrap();
        assert_eq!(after, before + accepted);
        assert!(after <= lowered, "round {round}: {after} after {lowered}");
        for answer in answers.iter().filter(|answer| !answer.is_ok()) {
            assert_eq!(answer.code(), "FORBIDDEN");
        }
    }
    pair.end(bobs).await;
}

#[actix_web::test]
async fn one_who_may_not_write_does_not_take_the_others_with_him() {
    let limits = [("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::meet_with(&limits).await;
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "EDIT").await.value();
    let (alices, carols) = (pair.alice.connect().await, carol.connect().await);

    for round in 0..10 {
        let lower = pair.alice.grant(pair.document, &carol, "VIEW");
        let theirs = (0..8).map(|_| edit(&carols, &pair, 1, json!([{ "insert": "c" }])));
        let hers = (0..8).map(|_| edit(&alices, &pair, 1, json!([{ "insert": "a" }])));
        let (_, answers, _) =
            futures_util::future::join3(lower, join_all(hers), join_all(theirs)).await;
        for answer in answers {
            answer.value();
        }
        assert_eq!(text(&pair.alice, &pair).await.matches('a').count(), 8 * (round + 1));
        pair.alice.grant(pair.document, &carol, "EDIT").await.value();
    }
    pair.end((alices, carols)).await;
}

#[actix_web::test]
async fn a_large_text_is_merged_and_others_go_on_meanwhile() {
    let limits = [("COSCRIBE__LIMITS__MESSAGE", "33554432")];
    let pair = Pair::meet_with(&limits).await;
    let lines: Vec<String> =
        (0..60_000).map(|line| format!("Line {line} of a long text.\n")).collect();
    pair.alice.write(pair.document, &lines.concat()).await.value();
    let mut his = lines.clone();
    his[40_000] = "His line.\n".to_owned();
    let other = pair.alice.create_document("Another", "").await;

    let large = json!({ "content": his.concat(), "baseVersion": 2 });
    let (merged, small, _) = futures_util::future::join3(
        pair.bob.update(pair.document, large),
        edit(&pair.alice, &pair, 2, json!([{ "insert": "Her line.\n" }])),
        pair.alice.write(other, "goes on"),
    )
    .await;

    merged.value();
    small.value();
    let text = text(&pair.alice, &pair).await;
    assert!(text.starts_with("Her line.\nLine 0 of"));
    assert!(text.contains("Line 39999 of a long text.\nHis line.\nLine 40001"));
    pair.end(()).await;
}

#[actix_web::test]
async fn while_the_database_is_locked_edits_are_refused_and_afterwards_they_go_on() {
    let settings = [ON_FILE, ("COSCRIBE__STORE__BUSY_WITHIN", "50ms")];
    let pair = Pair::meet_with(&settings).await;
    let (alices, bobs) = pair.open().await;
    let file = pair.node.folder().join("coscribe.db");
    let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1).sqlx_logging(false);
    let other = sea_orm::Database::connect(options).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();

    let delta = || json!([{ "insert": "x" }]);
    for name in ["a", "b"] {
        let refused = named(&alices, &pair, 1, delta(), json!(name)).await;
        assert_eq!(refused.code(), "UNAVAILABLE");
    }
    assert_eq!(text(&pair.bob, &pair).await, "Welcome.");

    other.execute_unprepared("ROLLBACK").await.unwrap();
    assert_eq!(named(&alices, &pair, 1, delta(), json!("a")).await.value()["version"], 2);
    // The first that is told is the first that is stored.
    assert_eq!(bobs.expect_version(2).await["content"], "xWelcome.");
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn a_snapshot_is_kept_every_so_many_changes_and_when_a_document_closes() {
    let settings = [("COSCRIBE__ROOM__SNAPSHOT_EVERY", "10")];
    let mut pair = Pair::meet_with(&settings).await;
    let tab = pair.bob.open(pair.document).await;
    for _ in 0..25 {
        edit(&tab, &pair, 1, json!([{ "insert": "x" }])).await.value();
    }
    drop(tab);
    crate::support::within("the end of the room", pair.node.node().rooms().gone()).await;

    let store = pair.node.node().store().clone();
    let mut at = Vec::new();
    for version in [5, 15, 25, 26] {
        let version = coscribe::domain::Version::new(version);
        let snapshot = store.find_snapshot(pair.document, version).await.unwrap().unwrap();
        at.push(snapshot.version.number());
    }
    assert_eq!(at, [1, 11, 21, 26]);
    pair.node.restart().await;
    pair.alice = pair.alice.at(&pair.node);
    assert_eq!(text(&pair.alice, &pair).await, format!("{}Welcome.", "x".repeat(25)));
    pair.node.stop().await;
}

#[actix_web::test]
async fn a_deletion_is_the_last_version_and_orders_behind_it_are_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Welcome.").await;
    let (one, two) = (alice.open(document).await, alice.connect().await);

    let delete = "mutation ($id: ID!) { deleteDocument(id: $id) }";
    let id = json!({ "id": document.to_string() });
    let write = async || two.write(document, "late").await;
    let (deleted, late) = futures_util::future::join(two.run(delete, id), write()).await;

    assert_eq!(deleted.value(), true);
    let told = one.expect_change().await;
    if late.is_ok() {
        assert_eq!(told["kind"], "EDITED");
        assert_eq!(one.expect_version(3).await["kind"], "DELETED");
    } else {
        assert_eq!((late.code(), &told["kind"]), ("FORBIDDEN", &json!("DELETED")));
    }
    drop((one, two));
    node.stop().await;
}

#[actix_web::test]
async fn few_but_large_changes_get_a_snapshot_too() {
    let pair = Pair::meet().await;
    let large = "x".repeat(600_000);
    for delta in [json!([{ "insert": large }]), json!([{ "delete": 600_000 }])] {
        let base = pair.alice.read(pair.document).await["version"].clone();
        edit(&pair.bob, &pair, base.as_i64().unwrap(), delta).await.value();
    }
    // The next one finds more than a megabyte of log behind it.
    edit(&pair.bob, &pair, 3, json!([{ "insert": large }])).await.value();
    edit(&pair.bob, &pair, 4, json!([{ "insert": "a" }])).await.value();
    edit(&pair.bob, &pair, 5, json!([{ "insert": "b" }])).await.value();

    let store = pair.node.node().store().clone();
    let newest = store.find_snapshot(pair.document, coscribe::domain::Version::new(5)).await;
    assert!(newest.unwrap().unwrap().version.number() > 1);
    pair.end(()).await;
}

#[actix_web::test]
async fn an_edit_for_a_text_that_is_too_many_changes_old_is_a_conflict() {
    let settings = [
        ("COSCRIBE__ROOM__REBASE_BYTES", "3000"),
        // Nothing is remembered: the log has to be read.
        ("COSCRIBE__ROOM__RECENT_BYTES", "1"),
    ];
    let pair = Pair::meet_with(&settings).await;
    let tab = pair.alice.open(pair.document).await;
    for base in 1..=30 {
        edit(&tab, &pair, base, json!([{ "insert": "x" }])).await.value();
    }

    let old = edit(&tab, &pair, 1, json!([{ "insert": "late" }])).await;
    assert_eq!((old.code(), &old.error()["extensions"]["head"]), ("CONFLICT", &json!(31)));
    assert_eq!(edit(&tab, &pair, 29, json!([{ "insert": "y" }])).await.value()["version"], 32);
    pair.end(tab).await;
}

#[actix_web::test]
async fn a_delta_of_very_many_steps_is_refused() {
    let pair = Pair::meet().await;
    let step = |n: usize| {
        if n.is_multiple_of(2) { json!({ "insert": "x" }) } else { json!({ "retain": 1 }) }
    };
    let many: Vec<Value> = (0..10_001).map(step).collect();

    let refused = edit(&pair.alice, &pair, 1, Value::Array(many)).await;

    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.error()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("The delta has 10001 steps; at most 10000 are allowed."),
        "{message}"
    );
    pair.end(()).await;
}

#[actix_web::test]
async fn a_change_that_takes_too_long_is_refused_and_others_go_on() {
    let settings = [("COSCRIBE__ROOM__APPLY_WITHIN", "1ms")];
    let pair = Pair::meet_with(&settings).await;
    let lines: String = (0..200_000).map(|line| format!("{line}\n")).collect();

    let refused = pair.alice.write(pair.document, &lines).await;

    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert_eq!(
        refused.error()["message"],
        "Applying the edit takes too long. Split it into smaller edits."
    );
    let small = edit(&pair.bob, &pair, 1, json!([{ "insert": "x" }])).await;
    assert_eq!(small.value()["version"], 2);
    assert_eq!(text(&pair.alice, &pair).await, "xWelcome.");
    pair.end(()).await;
}
