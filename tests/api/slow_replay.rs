//! Subscribers that fall behind: they receive what they missed from the change log, also the end of the document.

use std::time::Duration;

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Pair, RawSocket};
use serde_json::{Value, json};
use tokio::time::interval;

/// The smallest outbox.
const SMALL_OUTBOX: (&str, &str) = ("COSCRIBE__OUTBOX__BOUND", "65536");
const BOUND: u64 = 65_536;

/// The gauge of subscribers that have fallen behind.
const BEHIND: &str = "coscribe_seats_behind";

/// Subscribes under the id `c` to these fields of the changes.
async fn subscribe(socket: &mut RawSocket, document: DocumentId, fields: &str) {
    let operation =
        format!("subscription {{ documentChanged(documentId: \"{document}\") {{ {fields} }} }}");
    socket.subscribe("c", &operation).await;
}

/// Waits for the changes up to the version `last`.
async fn expect_changes_to(socket: &mut RawSocket, last: u64) -> Vec<Value> {
    let mut changes = Vec::new();
    while changes.last().is_none_or(|change: &Value| change["version"] != last) {
        changes.push(socket.expect_next("c").await);
    }
    changes
}

#[actix_web::test]
async fn a_slow_subscriber_receives_every_change_in_order_at_bounded_cost() {
    const TEXT: usize = 48_000;
    let settings = [
        SMALL_OUTBOX,
        ("COSCRIBE__ROOM__RECENT_BYTES", "20000"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "10000"),
    ];
    let pair = Pair::start_with(&settings).await;
    let Pair { node, alice, bob, document } = &pair;
    let fields = "version delta { retain insert delete }";
    let mut slow = bob.connect_slow_raw().await;
    subscribe(&mut slow, *document, fields).await;
    let mut fast = bob.connect_raw().await;
    subscribe(&mut fast, *document, fields).await;
    let author = alice.connect().await;

    // Each text replaces the one before it. Write until the kernels accept no more, then some that only the log holds.
    let (mut round, mut rounds_behind, mut replaced, mut most) = (0, 0, "Welcome.".len(), 0);
    while rounds_behind < 10 {
        let text = format!("{round:08}").repeat(TEXT / 8);
        let delta = json!([{ "insert": text }, { "delete": replaced }]);
        author.edit(*document, round + 1, delta).await.value();
        assert_eq!(fast.expect_next("c").await["version"], round + 2, "nothing delays the other");
        replaced = TEXT;
        round += 1;
        let metrics = node.metrics().await;
        most = most.max(metrics.value("coscribe_outbox_bytes"));
        rounds_behind += metrics.value(BEHIND);
    }
    let last = 1 + u64::try_from(round).unwrap();
    // Its bound and one frame, and a frame for the other subscriber.
    assert!(most <= BOUND + 2 * (TEXT as u64 + 1_000), "{most}");

    // At a hundred kilobytes a second for a moment, then as fast as it can.
    let mut pace = interval(Duration::from_millis(480));
    let mut changes = Vec::new();
    for _ in 0..4 {
        pace.tick().await;
        changes.push(slow.expect_next("c").await);
    }
    changes.extend(expect_changes_to(&mut slow, last).await);
    let versions: Vec<_> =
        changes.iter().map(|change| change["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (2..=last).collect::<Vec<_>>());
    for (round, change) in changes.iter().enumerate() {
        let inserted = change["delta"][0]["insert"].as_str().unwrap();
        assert!(inserted.starts_with(&format!("{round:08}")));
    }
    node.expect_metric(BEHIND, 0).await;
    pair.stop((author, fast, slow)).await;
}

#[actix_web::test]
async fn a_slow_subscriber_receives_every_version_of_a_large_text() {
    const LINES: usize = 25_000;
    let settings = [SMALL_OUTBOX, ("COSCRIBE__ROOM__RECENT_BYTES", "0")];
    let pair = Pair::start_with(&settings).await;
    let Pair { node, alice, bob, document } = &pair;
    let text = "A long text. ".repeat(LINES);
    alice.write(*document, &text).await.value();
    let mut slow = bob.connect_slow_raw().await;
    subscribe(&mut slow, *document, "version content").await;

    // Every event is larger than the outbox.
    let (mut round, mut rounds_behind) = (0, 0);
    while rounds_behind < 4 {
        alice.edit(*document, round + 2, json!([{ "insert": format!("{round}.") }])).await.value();
        round += 1;
        rounds_behind += node.metric(BEHIND).await;
    }
    let most = BOUND + 2 * u64::try_from(text.len()).unwrap();
    assert!(node.metric("coscribe_outbox_bytes").await < most);

    let mut beginning = String::new();
    for round in 0..round {
        let change = slow.expect_next("c").await;
        beginning = format!("{round}.{beginning}");
        assert_eq!(change["version"], round + 3);
        let content = change["content"].as_str().unwrap();
        assert!(content.starts_with(&format!("{beginning}A long text. ")));
        assert_eq!(content.len(), text.len() + beginning.len());
    }
    pair.stop(slow).await;
}

#[actix_web::test]
async fn a_subscriber_that_is_behind_receives_the_end_of_the_document() {
    let pair = Pair::start_with(&[SMALL_OUTBOX]).await;
    let Pair { node, alice, bob, document } = &pair;
    let tab = bob.open_slow(*document).await;
    tab.socket.stop_reading();
    let mut version = 1;
    while node.metric(BEHIND).await == 0 {
        version += 1;
        alice.write(*document, &format!("{version:08}").repeat(40_000)).await.value();
    }
    alice.delete(*document).await.value();

    tab.socket.resume_reading();
    let mut last = tab.expect_change().await;
    while last["kind"] != "DELETED" {
        last = tab.expect_change().await;
    }
    assert_eq!(last["version"], version + 1);
    tab.socket.expect_complete(&tab.changes).await;
    pair.stop(tab).await;
}
