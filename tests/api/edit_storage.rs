//! How edits are stored: the order of versions, access at the commit, snapshots, and a database that is locked.

use coscribe::domain::{Content, Delta, Version};
use futures_util::future::{join, join_all, join3};
use kit::{Client as _, Node as _, ON_FILE, Pair, Tab, TestNode};
use serde_json::json;

use crate::locked_database::LockedDatabase;

#[actix_web::test]
async fn versions_have_no_gap_and_their_deltas_compose_to_the_text() {
    const WRITERS: usize = 6;
    const EDITS: usize = 15;
    let pair = Pair::start().await;
    let reader = pair.alice.open(pair.document).await;
    let mut tabs: Vec<Tab> = Vec::new();
    for _ in 0..WRITERS {
        tabs.push(pair.bob.open(pair.document).await);
    }

    // Every edit is made for the first version.
    let writing = tabs.iter().enumerate().map(async |(writer, tab)| {
        for number in 0..EDITS {
            let delta = json!([{ "insert": format!("<{writer}.{number}🎈>") }]);
            tab.edit(pair.document, 1, delta).await.value();
        }
    });
    join_all(writing).await;

    let mut content = Content::from("Welcome.");
    for version in 2..2 + (WRITERS * EDITS) as i64 {
        let change = reader.expect_version(version).await;
        let steps = change["delta"].as_array().unwrap().iter();
        let steps: Vec<_> =
            steps.map(|step| serde_json::from_value(step.clone()).unwrap()).collect();
        let delta = Delta::from_steps(steps).unwrap();
        content = content.apply(&delta).unwrap();
        assert_eq!(content.to_string(), change["content"].as_str().unwrap());
    }
    assert_eq!(content.to_string(), pair.alice.read_text(pair.document).await);
    for writer in 0..WRITERS {
        for number in 0..EDITS {
            let mark = format!("<{writer}.{number}🎈>");
            assert_eq!(content.to_string().matches(&mark).count(), 1, "{mark}");
        }
    }
    let (first, last) = (Version::FIRST, Version::new(i64::MAX));
    let store = pair.node.store();
    let stored = store.list_changes(pair.document, first, last, usize::MAX).await.unwrap();
    let numbers: Vec<_> = stored.iter().map(|change| change.version.number()).collect();
    assert_eq!(numbers, (2..2 + (WRITERS * EDITS) as i64).collect::<Vec<_>>());
    pair.stop((reader, tabs)).await;
}

#[actix_web::test]
async fn queued_edits_of_a_downgraded_user_are_refused() {
    let limits = [
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "10000"),
    ];
    let pair = Pair::start_with(&limits).await;
    let bobs = pair.bob.open(pair.document).await;
    for round in 0..10 {
        pair.alice.grant(pair.document, &pair.bob, "EDIT").await.value();
        let before = pair.alice.read_version(pair.document).await;

        let edits = (0..20).map(|_| bobs.edit(pair.document, before, json!([{ "insert": "x" }])));
        let downgrade = async {
            for _ in 0..round {
                pair.alice.read(pair.document).await;
            }
            pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();
            pair.alice.read_version(pair.document).await
        };
        let (answers, at_downgrade) = join(join_all(edits), downgrade).await;

        // Edits were accepted before the downgrade, and none after it.
        let accepted = answers.iter().filter(|answer| answer.is_ok()).count() as i64;
        let after = pair.alice.read_version(pair.document).await;
        assert_eq!(after, before + accepted);
        assert!(after <= at_downgrade, "round {round}: {after} after {at_downgrade}");
        for answer in answers.iter().filter(|answer| !answer.is_ok()) {
            assert_eq!(answer.code(), "FORBIDDEN");
        }
    }
    pair.stop(bobs).await;
}

#[actix_web::test]
async fn a_refused_edit_does_not_fail_others_in_its_commit() {
    let limits = [("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::start_with(&limits).await;
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "EDIT").await.value();
    let (alices, carols) = (pair.alice.connect().await, carol.connect().await);

    for round in 0..10 {
        let downgrade = pair.alice.grant(pair.document, &carol, "VIEW");
        let refused = (0..8).map(|_| carols.edit(pair.document, 1, json!([{ "insert": "c" }])));
        let allowed = (0..8).map(|_| alices.edit(pair.document, 1, json!([{ "insert": "a" }])));
        let (_, answers, _) = join3(downgrade, join_all(allowed), join_all(refused)).await;
        for answer in answers {
            answer.value();
        }
        assert_eq!(pair.alice.read_text(pair.document).await.matches('a').count(), 8 * (round + 1));
        pair.alice.grant(pair.document, &carol, "EDIT").await.value();
    }
    pair.stop((alices, carols)).await;
}

#[actix_web::test]
async fn other_edits_go_on_while_a_large_text_is_merged() {
    let pair = Pair::start().await;
    let lines: Vec<String> =
        (0..6_000).map(|line| format!("Line {line} of a long text.\n")).collect();
    pair.alice.write(pair.document, &lines.concat()).await.value();
    let mut changed = lines.clone();
    changed[4_000] = "Bob's line.\n".to_owned();
    let other = pair.alice.create_document("Another", "").await;

    let large = json!({ "content": changed.concat(), "baseVersion": 2 });
    let (merged, small, _) = join3(
        pair.bob.update(pair.document, large),
        pair.alice.edit(pair.document, 2, json!([{ "insert": "Alice's line.\n" }])),
        pair.alice.write(other, "goes on"),
    )
    .await;

    merged.value();
    small.value();
    let text = pair.alice.read_text(pair.document).await;
    assert!(text.starts_with("Alice's line.\nLine 0 of"));
    assert!(text.contains("Line 3999 of a long text.\nBob's line.\nLine 4001"));
    pair.stop(()).await;
}

#[actix_web::test]
async fn edits_are_refused_while_the_database_is_locked() {
    let settings = [ON_FILE, ("COSCRIBE__STORE__BUSY_WITHIN", "50ms")];
    let pair = Pair::start_with(&settings).await;
    let (alices, bobs) = pair.open().await;
    let lock = LockedDatabase::of(&pair.node).await;

    let delta = || json!([{ "insert": "x" }]);
    for name in ["a", "b"] {
        let refused = alices.edit_as(pair.document, 1, delta(), json!(name)).await;
        assert_eq!(refused.code(), "UNAVAILABLE");
    }
    assert_eq!(pair.bob.read_text(pair.document).await, "Welcome.");

    lock.unlock().await;
    assert_eq!(alices.edit_as(pair.document, 1, delta(), json!("a")).await.value()["version"], 2);
    // The first event is the first stored change.
    assert_eq!(bobs.expect_version(2).await["content"], "xWelcome.");
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn snapshots_are_stored_at_an_interval_and_when_the_document_closes() {
    let settings = [("COSCRIBE__ROOM__SNAPSHOT_EVERY", "10")];
    let mut pair = Pair::start_with(&settings).await;
    let tab = pair.bob.open(pair.document).await;
    for _ in 0..25 {
        tab.edit(pair.document, 1, json!([{ "insert": "x" }])).await.value();
    }
    drop(tab);
    pair.node.expect_rooms_closed().await;

    let store = pair.node.store().clone();
    let mut at = Vec::new();
    for version in [5, 15, 25, 26] {
        let version = Version::new(version);
        let snapshot = store.find_snapshot(pair.document, version).await.unwrap().unwrap();
        at.push(snapshot.version.number());
    }
    assert_eq!(at, [1, 11, 21, 26]);
    pair.node.restart().await;
    pair.alice = pair.alice.at(&pair.node);
    assert_eq!(pair.alice.read_text(pair.document).await, format!("{}Welcome.", "x".repeat(25)));
    pair.node.stop().await;
}

#[actix_web::test]
async fn a_deletion_is_the_last_version_and_later_edits_are_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Welcome.").await;
    let (one, two) = (alice.open(document).await, alice.connect().await);

    let (deleted, late) = join(two.delete(document), two.write(document, "late")).await;

    assert_eq!(deleted.value(), true);
    let event = one.expect_change().await;
    if late.is_ok() {
        assert_eq!(event["kind"], "EDITED");
        assert_eq!(one.expect_version(3).await["kind"], "DELETED");
    } else {
        assert_eq!((late.code(), &event["kind"]), ("FORBIDDEN", &json!("DELETED")));
    }
    drop((one, two));
    node.stop().await;
}

#[actix_web::test]
async fn large_changes_cause_a_snapshot() {
    let pair = Pair::start().await;
    let large = "x".repeat(600_000);
    for delta in [json!([{ "insert": large }]), json!([{ "delete": 600_000 }])] {
        let base = pair.alice.read_version(pair.document).await;
        pair.bob.edit(pair.document, base, delta).await.value();
    }
    // The next edit follows more than a megabyte of changes without a snapshot.
    pair.bob.edit(pair.document, 3, json!([{ "insert": large }])).await.value();
    pair.bob.edit(pair.document, 4, json!([{ "insert": "a" }])).await.value();
    pair.bob.edit(pair.document, 5, json!([{ "insert": "b" }])).await.value();

    let store = pair.node.store().clone();
    let newest = store.find_snapshot(pair.document, Version::new(5)).await;
    assert!(newest.unwrap().unwrap().version.number() > 1);
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_change_that_takes_too_long_is_stopped_and_others_go_on() {
    let settings = [("COSCRIBE__ROOM__APPLY_WITHIN", "1ms")];
    let pair = Pair::start_with(&settings).await;
    let lines: String = (0..200_000).map(|line| format!("{line}\n")).collect();

    let refused = pair.alice.write(pair.document, &lines).await;

    // It may succeed when the machine is less busy.
    assert_eq!(refused.code(), "UNAVAILABLE");
    let small = pair.bob.edit(pair.document, 1, json!([{ "insert": "x" }])).await;
    assert_eq!(small.value()["version"], 2);
    assert_eq!(pair.alice.read_text(pair.document).await, "xWelcome.");
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_text_that_differs_in_very_many_places_is_stored_as_it_is() {
    let pair = Pair::start().await;
    let lines =
        |word: &str| -> String { (0..10_000).map(|n| format!("{n} {word} 🎈\n")).collect() };
    pair.alice.write(pair.document, &lines("old")).await.value();
    let tab = pair.bob.open(pair.document).await;

    pair.alice.write(pair.document, &lines("new")).await.value();

    let change = tab.expect_version(3).await;
    let steps = change["delta"].as_array().unwrap().len();
    assert!(steps >= 20_000, "{steps} steps: only the words that changed");
    assert_eq!(pair.alice.read_text(pair.document).await, lines("new"));
    pair.stop(tab).await;
}
