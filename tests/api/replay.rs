//! Resuming a subscription with `since`: a replay from the change log, then live changes, without gaps or duplicates.

use coscribe::{
    domain::{ChangeKind, Content, Delta, DeltaStep, Version},
    store::{Batch, NewChange},
};
use futures_util::future::join;
use kit::{Client as _, Pair, Socket};
use serde_json::{Value, json};

const SINCE: &str = "subscription ($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
        kind version title content sessionId author { name }
        delta { retain insert delete } update
    }
}";

/// Subscribes to every change after a version.
async fn subscribe_since(socket: &Socket, pair: &Pair, version: i64, id: &str) {
    let variables = json!({ "id": pair.document, "since": version });
    socket.start_with(id, SINCE, variables).await;
}

fn delta(change: &Value) -> Delta {
    let steps = change["delta"].as_array().unwrap().iter();
    let steps: Vec<DeltaStep> =
        steps.map(|step| serde_json::from_value(step.clone()).unwrap()).collect();
    Delta::from_steps(steps).unwrap()
}

#[actix_web::test]
async fn changes_after_the_version_are_replayed_and_live_changes_follow() {
    let pair = Pair::start().await;
    pair.alice.insert(pair.document, "a").await;
    pair.bob.rename(pair.document, "New").await.value();
    pair.bob.insert(pair.document, "b").await;
    let socket = pair.bob.connect().await;

    subscribe_since(&socket, &pair, 1, "s").await;

    let first = socket.expect_next("s").await;
    assert_eq!(first["version"], 2);
    assert_eq!((&first["kind"], &first["title"]), (&json!("EDITED"), &json!("Project Alpha")));
    assert_eq!(
        (&first["content"], &first["author"]["name"]),
        (&json!("aWelcome."), &json!("Alice"))
    );
    let renamed = socket.expect_next("s").await;
    assert_eq!((&renamed["kind"], &renamed["title"]), (&json!("RENAMED"), &json!("New")));
    assert_eq!((&renamed["version"], &renamed["delta"]), (&json!(3), &Value::Null));
    // Also Bob's own change: it is older than this session.
    assert_eq!(socket.expect_next("s").await["version"], 4);
    pair.alice.insert(pair.document, "c").await;
    let live = socket.expect_next("s").await;
    assert_eq!((&live["version"], &live["content"]), (&json!(5), &json!("abcWelcome.")));
    pair.stop(socket).await;
}

#[actix_web::test]
async fn a_replay_from_the_log_equals_the_live_events() {
    // Nothing is kept in memory, so the whole replay is read from the log.
    let settings = [("COSCRIBE__ROOM__RECENT_BYTES", "0"), ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "7")];
    let mut pair = Pair::start_with(&settings).await;
    let live = pair.bob.connect().await;
    live.start_with("live", SINCE, json!({ "id": pair.document })).await;
    live.subscribe("presenceUpdated", pair.document).await;
    let mut changes = Vec::new();
    for number in 0..30 {
        pair.alice.insert(pair.document, &format!("{number} 🎈 ")).await;
        changes.push(live.expect_next("live").await);
    }
    drop(live);
    pair.node.restart().await;
    (pair.alice, pair.bob) = (pair.alice.at(&pair.node), pair.bob.at(&pair.node));
    let again = pair.bob.connect().await;

    subscribe_since(&again, &pair, 1, "s").await;
    subscribe_since(&again, &pair, 25, "t").await;

    for change in &changes {
        assert_eq!(again.expect_next("s").await, *change);
    }
    for change in &changes[24..] {
        assert_eq!(again.expect_next("t").await, *change);
    }
    pair.stop(again).await;
}

#[actix_web::test]
async fn a_replay_during_edits_has_no_gap_and_no_duplicate() {
    const EDITS: usize = 120;
    let settings =
        [("COSCRIBE__ROOM__RECENT_BYTES", "2000"), ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::start_with(&settings).await;
    let author = pair.alice.connect().await;
    let readers = pair.bob.connect().await;

    let writing = async {
        for number in 0..EDITS {
            author.insert(pair.document, &format!("{number}.")).await;
        }
    };
    let reading = async {
        for reader in 0..30 {
            let version = 1 + reader % 3;
            // A subscription to a version that does not exist yet would be refused.
            while pair.bob.read_version(pair.document).await < version {}
            subscribe_since(&readers, &pair, version, &reader.to_string()).await;
        }
    };
    join(writing, reading).await;

    let end = pair.alice.read(pair.document).await;
    for reader in 0..30_i64 {
        let mut content = None;
        for version in 2 + reader % 3..=EDITS as i64 + 1 {
            let change = readers.expect_next(&reader.to_string()).await;
            assert_eq!(change["version"], version, "reader {reader}");
            let now = Content::from(change["content"].as_str().unwrap());
            if let Some(before) = content {
                let before: Content = before;
                assert_eq!(before.apply(&delta(&change)).unwrap(), now);
            }
            content = Some(now);
        }
        assert_eq!(content.unwrap().to_string(), end["content"].as_str().unwrap());
    }
    assert!(readers.unread().is_empty());
    pair.stop((author, readers)).await;
}

#[actix_web::test]
async fn a_version_that_does_not_exist_yet_is_bad_input() {
    let pair = Pair::start().await;
    let socket = pair.bob.connect().await;
    for version in [2, 1_000_000, -1] {
        subscribe_since(&socket, &pair, version, "s").await;
        assert_eq!(socket.expect_error("s").await, "BAD_USER_INPUT", "{version}");
    }
    subscribe_since(&socket, &pair, 1, "s").await;
    pair.alice.insert(pair.document, "a").await;
    assert_eq!(socket.expect_next("s").await["version"], 2);
    pair.stop(socket).await;
}

#[actix_web::test]
async fn a_replay_of_forgotten_changes_begins_with_the_whole_text() {
    let settings = [("COSCRIBE__ROOM__RECENT_BYTES", "0")];
    let pair = Pair::start_with(&settings).await;
    for text in ["a", "b", "c"] {
        pair.alice.insert(pair.document, text).await;
    }
    pair.node.expect_rooms_closed().await;
    let store = pair.node.store();
    assert_eq!(store.forget_changes(chrono::Utc::now()).await.unwrap(), 1);
    let socket = pair.bob.connect().await;

    subscribe_since(&socket, &pair, 2, "s").await;
    subscribe_since(&socket, &pair, 0, "t").await;

    for id in ["s", "t"] {
        let resync = socket.expect_next(id).await;
        assert_eq!((&resync["kind"], &resync["version"]), (&json!("RESYNC"), &json!(4)));
        assert_eq!(resync["content"], "abcWelcome.");
        assert_eq!((&resync["delta"], &resync["author"]), (&Value::Null, &Value::Null));
    }
    let old = pair.alice.edit(pair.document, 2, json!([{ "insert": "x" }])).await;
    assert_eq!((old.code(), &old.error()["extensions"]["head"]), ("CONFLICT", &json!(4)));
    pair.alice.write(pair.document, "abcWelcome!").await.value();
    for id in ["s", "t"] {
        assert_eq!(socket.expect_next(id).await["version"], 5);
    }
    pair.stop(socket).await;
}

#[actix_web::test]
async fn clients_that_resume_at_different_versions_receive_the_same_events() {
    let pair = Pair::start().await;
    pair.alice.insert(pair.document, "a").await;
    let (one, two) = (pair.bob.connect().await, pair.bob.connect().await);
    subscribe_since(&one, &pair, 1, "s").await;
    subscribe_since(&two, &pair, 2, "s").await;
    assert_eq!(one.expect_next("s").await["version"], 2);

    pair.alice.insert(pair.document, "b").await;

    let (first, second) = (one.expect_next("s").await, two.expect_next("s").await);
    assert_eq!(first, second);
    assert_eq!(first["version"], 3);
    pair.stop((one, two)).await;
}

#[actix_web::test]
async fn a_version_that_is_stored_but_not_yet_broadcast_is_accepted() {
    let pair = Pair::start().await;
    let (alices, bobs) = (pair.alice.open(pair.document).await, pair.bob.connect().await);
    // As another node would store it: the room does not know of it.
    let renamed = NewChange {
        kind: ChangeKind::Renamed,
        author: pair.bob.id,
        session: None,
        edit: None,
        title: "Elsewhere".into(),
        metadata: None,
        delta: None,
        update: None,
        takes_back: None,
        size: "Welcome.".len(),
    };
    let batch = Batch {
        document: pair.document,
        base: Version::FIRST,
        base_at: None,
        changes: vec![renamed],
        receipts: vec![],
        other_authors: vec![],
    };
    pair.node.store().commit(batch).await.unwrap();

    subscribe_since(&bobs, &pair, 2, "s").await;
    subscribe_since(&bobs, &pair, 3, "future").await;

    assert_eq!(bobs.expect_errors("future").await.code(), "BAD_USER_INPUT");
    assert_eq!(pair.alice.insert(pair.document, "x").await, 3);
    assert_eq!(bobs.expect_next("s").await["version"], 3);
    assert_eq!(alices.expect_version(2).await["title"], "Elsewhere");
    pair.stop((alices, bobs)).await;
}
