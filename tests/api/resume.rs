//! Coming back: everything after a version, then live, in one stream without hole or double.

use std::time::Duration;

use coscribe::domain::{Content, Delta, DeltaStep};
use futures_util::future::join;
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::support::{
    Client, Pair, Person, Socket, TestNode,
    raw::{Account, RawSocket, meter, shared_document, until_meter},
};

const SINCE: &str = "subscription ($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) {
        kind version title content sessionId author { name }
        delta { retain insert delete } update
    }
}";

/// Asks for every change after a version.
async fn since(socket: &Socket, pair: &Pair, version: i64, id: &str) {
    let variables = json!({ "id": pair.document.to_string(), "since": version });
    socket.start(id, SINCE, &variables).await;
}

async fn insert(who: &impl Client, pair: &Pair, text: &str) -> i64 {
    let operation = "mutation ($id: ID!, $text: String!) {
        editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }]) { version } }";
    let variables = json!({ "id": pair.document.to_string(), "text": text });
    who.run(operation, variables).await.value()["version"].as_i64().unwrap()
}

fn delta(change: &Value) -> Delta {
    let steps = change["delta"].as_array().unwrap().iter();
    let steps: Vec<DeltaStep> =
        steps.map(|step| serde_json::from_value(step.clone()).unwrap()).collect();
    Delta::from_steps(steps).unwrap()
}

#[actix_web::test]
async fn everything_after_a_version_is_told_and_then_what_happens() {
    let pair = Pair::meet().await;
    insert(&pair.alice, &pair, "a").await;
    pair.bob.rename(pair.document, "New").await.value();
    insert(&pair.bob, &pair, "b").await;
    let socket = pair.bob.connect().await;

    since(&socket, &pair, 1, "s").await;

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
    // His own, from before he came back: whoever asks for everything gets everything.
    assert_eq!(socket.expect_next("s").await["version"], 4);
    insert(&pair.alice, &pair, "c").await;
    let live = socket.expect_next("s").await;
    assert_eq!((&live["version"], &live["content"]), (&json!(5), &json!("abcWelcome.")));
    pair.end(socket).await;
}

#[actix_web::test]
async fn a_replay_from_the_log_is_what_was_told_live() {
    // Nothing is kept in memory, so all of it comes from the log.
    let settings = [("COSCRIBE__ROOM__RECENT_BYTES", "0"), ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "7")];
    let mut pair = Pair::meet_with(&settings).await;
    let live = pair.bob.connect().await;
    live.start("live", SINCE, &json!({ "id": pair.document.to_string() })).await;
    live.subscribe("presenceUpdated", pair.document).await;
    let mut told = Vec::new();
    for number in 0..30 {
        insert(&pair.alice, &pair, &format!("{number} 🎈 ")).await;
        told.push(live.expect_next("live").await);
    }
    drop(live);
    pair.node.restart().await;
    (pair.alice, pair.bob) = (pair.alice.at(&pair.node), pair.bob.at(&pair.node));
    let again = pair.bob.connect().await;

    since(&again, &pair, 1, "s").await;
    since(&again, &pair, 25, "t").await;

    for change in &told {
        assert_eq!(again.expect_next("s").await, *change);
    }
    for change in &told[24..] {
        assert_eq!(again.expect_next("t").await, *change);
    }
    pair.end(again).await;
}

#[actix_web::test]
async fn while_edits_pour_in_a_replay_has_neither_hole_nor_double() {
    const EDITS: usize = 120;
    let settings =
        [("COSCRIBE__ROOM__RECENT_BYTES", "2000"), ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000")];
    let pair = Pair::meet_with(&settings).await;
    let author = pair.alice.connect().await;
    let readers = pair.bob.connect().await;

    let writing = async {
        for number in 0..EDITS {
            insert(&author, &pair, &format!("{number}.")).await;
        }
    };
    let reading = async {
        for reader in 0..30 {
            let version = 1 + reader % 3;
            // One that is not there yet is refused, and asked for again.
            while pair.bob.read(pair.document).await["version"].as_i64().unwrap() < version {}
            since(&readers, &pair, version, &reader.to_string()).await;
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
    assert!(readers.left_over().is_empty());
    pair.end((author, readers)).await;
}

#[actix_web::test]
async fn a_version_that_is_not_there_yet_is_bad_input() {
    let pair = Pair::meet().await;
    let socket = pair.bob.connect().await;
    for version in [2, 1_000_000, -1] {
        since(&socket, &pair, version, "s").await;
        assert_eq!(socket.expect_error("s").await, "BAD_USER_INPUT", "{version}");
    }
    since(&socket, &pair, 1, "s").await;
    insert(&pair.alice, &pair, "a").await;
    assert_eq!(socket.expect_next("s").await["version"], 2);
    pair.end(socket).await;
}

#[actix_web::test]
async fn what_is_older_than_the_retention_begins_with_the_whole_text() {
    let settings = [("COSCRIBE__ROOM__RECENT_BYTES", "0")];
    let pair = Pair::meet_with(&settings).await;
    for text in ["a", "b", "c"] {
        insert(&pair.alice, &pair, text).await;
    }
    crate::support::within("the end of the room", pair.node.node().rooms().gone()).await;
    let store = pair.node.node().store();
    assert_eq!(store.forget_changes(chrono::Utc::now()).await.unwrap(), 1);
    let socket = pair.bob.connect().await;

    since(&socket, &pair, 2, "s").await;
    since(&socket, &pair, 0, "t").await;

    for id in ["s", "t"] {
        let resync = socket.expect_next(id).await;
        assert_eq!((&resync["kind"], &resync["version"]), (&json!("RESYNC"), &json!(4)));
        assert_eq!(resync["content"], "abcWelcome.");
        assert_eq!((&resync["delta"], &resync["author"]), (&Value::Null, &Value::Null));
    }
    let operation = "mutation ($id: ID!) {
        editDocument(documentId: $id, baseVersion: 2, delta: [{ insert: \"x\" }]) { version } }";
    let id = json!({ "id": pair.document.to_string() });
    let old = pair.alice.run(operation, id).await;
    assert_eq!((old.code(), &old.error()["extensions"]["head"]), ("CONFLICT", &json!(4)));
    pair.alice.write(pair.document, "abcWelcome!").await.value();
    for id in ["s", "t"] {
        assert_eq!(socket.expect_next(id).await["version"], 5);
    }
    pair.end(socket).await;
}

#[actix_web::test]
async fn clients_that_differ_in_where_they_begin_are_told_by_one_audience() {
    let pair = Pair::meet().await;
    insert(&pair.alice, &pair, "a").await;
    let (one, two) = (pair.bob.connect().await, pair.bob.connect().await);
    since(&one, &pair, 1, "s").await;
    since(&two, &pair, 2, "s").await;
    assert_eq!(one.expect_next("s").await["version"], 2);

    insert(&pair.alice, &pair, "b").await;

    let (first, second) = (one.expect_next("s").await, two.expect_next("s").await);
    assert_eq!(first, second);
    assert_eq!(first["version"], 3);
    pair.end((one, two)).await;
}

/// Reads on until it was told of a version; with a pace, one event of sixteen kilobytes at each beat.
async fn read_until(slow: &mut RawSocket, last: u64, mut pace: Option<Interval>) -> Vec<Value> {
    let mut changes = Vec::new();
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let change = slow.told("c").await["documentChanged"].clone();
        let is_last = change["version"] == last;
        changes.push(change);
        if is_last {
            return changes;
        }
    }
}

#[actix_web::test]
async fn a_reader_at_ten_kilobytes_a_second_gets_everything_in_order_and_costs_a_bounded_memory() {
    const BOUND: u64 = 65_536;
    const CHANGES: u64 = 400;
    let node = TestNode::start_with(&[
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
        ("COSCRIBE__ROOM__RECENT_BYTES", "20000"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
    ])
    .await;
    let (alice, bob) = (Account::new(&node, "alice").await, Account::new(&node, "bob").await);
    let document = shared_document(&node, &alice, &[&bob]).await;
    let mut author = RawSocket::admitted(&node, &alice).await;
    let mut fast = RawSocket::admitted(&node, &bob).await;
    let all = format!(
        "subscription {{ documentChanged(documentId: \"{document}\") {{ version delta {{ retain insert delete }} }} }}"
    );
    let mut slow = crate::support::raw::Handshake::to(&node).receive_buffer(4_096).open().await;
    slow.init(&bob.token).await;
    slow.listen(&node, "c", &all).await;
    fast.listen(&node, "c", &all).await;

    // Sixteen kilobytes each: far more than the kernels and the outbox hold together.
    let most = std::cell::Cell::new(0);
    let writing = async {
        for round in 0..CHANGES {
            let text = format!("{round:08}").repeat(2_000);
            let edit = "mutation ($id: ID!, $base: Int!, $text: String!) {
                editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: $text }]) { version } }";
            let variables = json!({ "id": document, "base": round + 1, "text": text });
            author.run(&format!("w{round}"), edit, variables).await;
            most.set(most.get().max(meter(&node, "coscribe_outbox_bytes").await));
        }
    };
    let reading = async {
        for version in 2..2 + CHANGES {
            assert_eq!(fast.told("c").await["documentChanged"]["version"], version);
        }
    };
    join(writing, reading).await;
    assert_eq!(meter(&node, "coscribe_seats_behind").await, 1, "the slow one alone");
    // Its own bound and a frame, and what the fast one had not taken at that moment.
    assert!(most.get() <= BOUND + 4 * 17_000, "{}", most.get());

    // At ten kilobytes a second for a moment, then as fast as it can: everything, in order.
    let pace = tokio::time::interval(Duration::from_millis(1_600));
    let mut got = read_until(&mut slow, 3, Some(pace)).await;
    got.extend(read_until(&mut slow, 1 + CHANGES, None).await);
    let versions: Vec<_> = got.iter().map(|change| change["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (2..2 + CHANGES).collect::<Vec<_>>());
    for (round, change) in got.iter().enumerate() {
        let inserted = change["delta"][0]["insert"].as_str().unwrap();
        assert!(inserted.starts_with(&format!("{round:08}")));
    }
    until_meter(&node, "coscribe_seats_behind", 0).await;
    drop((author, fast, slow));
    node.stop().await;
}

#[actix_web::test]
async fn a_slow_reader_of_a_megabyte_of_content_gets_every_version_of_it() {
    const CHANGES: u64 = 12;
    let node = TestNode::start_with(&[
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
        ("COSCRIBE__ROOM__RECENT_BYTES", "0"),
    ])
    .await;
    let (alice, bob) = (Account::new(&node, "alice").await, Account::new(&node, "bob").await);
    let document = shared_document(&node, &alice, &[&bob]).await;
    let mut author = RawSocket::admitted(&node, &alice).await;
    let fill = "mutation ($id: ID!, $text: String!) {
        updateDocument(id: $id, content: $text) { version } }";
    let variables = json!({ "id": document, "text": "A megabyte. ".repeat(80_000) });
    author.run("fill", fill, variables).await;
    let texts = format!(
        "subscription {{ documentChanged(documentId: \"{document}\") {{ version content }} }}"
    );
    let mut slow = crate::support::raw::Handshake::to(&node).receive_buffer(4_096).open().await;
    slow.init(&bob.token).await;
    slow.listen(&node, "c", &texts).await;

    for round in 0..CHANGES {
        let edit = format!(
            "mutation {{ editDocument(documentId: \"{document}\", baseVersion: {}, delta: [{{ insert: \"{round}.\" }}]) {{ version }} }}",
            round + 2
        );
        author.run(&format!("w{round}"), &edit, json!({})).await;
    }
    assert_eq!(meter(&node, "coscribe_seats_behind").await, 1);
    assert!(meter(&node, "coscribe_outbox_bytes").await < 65_536 + 1_100_000);

    let mut beginning = String::new();
    for round in 0..CHANGES {
        let told = slow.told("c").await;
        let change = &told["documentChanged"];
        beginning = format!("{round}.{beginning}");
        assert_eq!(change["version"], round + 3);
        let content = change["content"].as_str().unwrap();
        assert!(content.starts_with(&format!("{beginning}A megabyte. ")));
        assert_eq!(content.len(), 80_000 * 12 + beginning.len());
    }
    drop((author, slow));
    node.stop().await;
}

#[actix_web::test]
async fn whoever_is_behind_hears_of_the_end_of_the_document() {
    let settings = [
        ("COSCRIBE__OUTBOX__BOUND", "65536"),
        ("COSCRIBE__LIMITS__MESSAGE", "33554432"),
        ("COSCRIBE__LIMITS__DOCUMENT", "33554432"),
    ];
    let pair = Pair::meet_with(&settings).await;
    let tab = pair.bob.open(pair.document).await;
    tab.socket.stop_reading();
    for text in ["x", "y", "z"] {
        pair.alice.write(pair.document, &text.repeat(8 * 1024 * 1024)).await.value();
    }
    pair.node.until_meter("coscribe_seats_behind", 1.0).await;
    delete(&pair.alice, &pair).await;

    tab.socket.read_on();
    let mut last = tab.expect_change().await;
    while last["kind"] != "DELETED" {
        last = tab.expect_change().await;
    }
    assert_eq!(last["version"], 5);
    tab.socket.expect_complete(&tab.changes).await;
    pair.end(tab).await;
}

async fn delete(who: &Person, pair: &Pair) {
    who.delete(pair.document).await.value();
}

#[actix_web::test]
async fn a_version_that_was_stored_but_not_told_yet_is_no_future() {
    use coscribe::{domain::ChangeKind, domain::Version, store::Batch, store::NewChange};
    let pair = Pair::meet().await;
    let (alices, bobs) = (pair.alice.open(pair.document).await, pair.bob.connect().await);
    // As another node would: the room does not know of it.
    let renamed = NewChange {
        kind: ChangeKind::Renamed,
        author: pair.bob.id,
        session: None,
        edit: None,
        title: "Elsewhere".into(),
        delta: None,
        update: None,
        size: "Welcome.".len(),
    };
    let batch = Batch {
        document: pair.document,
        base: Version::FIRST,
        changes: vec![renamed],
        receipts: vec![],
        other_authors: vec![],
    };
    pair.node.node().store().commit(batch).await.unwrap();

    since(&bobs, &pair, 2, "s").await;
    since(&bobs, &pair, 3, "future").await;

    assert_eq!(bobs.expect_errors("future").await.code(), "BAD_USER_INPUT");
    assert_eq!(insert(&pair.alice, &pair, "x").await, 3);
    assert_eq!(bobs.expect_next("s").await["version"], 3);
    assert_eq!(alices.expect_version(2).await["title"], "Elsewhere");
    pair.end((alices, bobs)).await;
}
