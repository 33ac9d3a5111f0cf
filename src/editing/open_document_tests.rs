use tokio::sync::oneshot;

use super::*;
use crate::{
    domain::{Content, DocumentId, User, UserId, examples::title_change},
    editing::{
        EditKind, EditRequest,
        loader::{LastSnapshot, large_texts_queue},
    },
};

fn deletion() -> QueuedEdit {
    let (document, author) = (DocumentId::new(), UserId::new());
    let kind = EditKind::Delete;
    let request = EditRequest { document, author, session: None, name: None, kind };
    QueuedEdit { request, reply: oneshot::channel().0 }
}

#[test]
fn edits_gather_while_the_document_is_lent() {
    let permits = WorkPermits::new(large_texts_queue(1));
    let mut document = OpenDocument::new(EditQueue::new(10, 100), permits, 100);
    document.push(deletion()).unwrap();
    let state = document.lend().unwrap();
    assert!(document.lend_for_batch().is_none(), "the document is lent");
    assert!(document.lend().is_none(), "to one task at a time");
    assert!(!document.is_idle());

    document.take_back(state);
    let (state, edits) = document.lend_for_batch().unwrap();
    assert_eq!(edits.len(), 1);
    document.take_back(state);
    assert!(document.is_idle());
}

/// Returns a document at version 1, whose text `a` is in memory.
fn opened() -> OpenDocument {
    let permits = WorkPermits::new(large_texts_queue(1));
    let mut document = OpenDocument::new(EditQueue::new(10, 100), permits, 1_000_000);
    let first = Change { content: Some(Content::from("a")), ..title_change(1) };
    let (title, at) = (Arc::clone(&first.title), first.at);
    let head = Head { version: Version::FIRST, title, at, access_version: 0 };
    document.open_at(Some(head));
    let mut state = document.lend().unwrap();
    state.added.push(Arc::new(first));
    document.take_back(state);
    document
}

fn insertion(version: i64) -> Change {
    let delta = serde_json::from_value(serde_json::json!([{ "insert": "b" }])).unwrap();
    Change { kind: ChangeKind::Edited, delta: Some(Arc::new(delta)), ..title_change(version) }
}

#[test]
fn the_next_change_of_another_node_is_applied_at_once() {
    let mut document = opened();
    for (version, text) in [(2, "ba"), (3, "bba")] {
        let Published::Applied(applied) = document.apply_published(&insertion(version)) else {
            panic!("{version}")
        };
        assert_eq!(applied.content.as_ref().unwrap(), text);
        assert_eq!(document.version(), Some(applied.version));
    }
    let recent = document.recent().after(Version::FIRST).unwrap();
    assert_eq!(recent.len(), 2, "replays find them in memory");
}

#[test]
fn any_other_change_of_another_node_has_to_wait() {
    let mut document = opened();
    let text = "b".repeat(MAX_INLINE_BYTES + 1);
    let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
    let large = Change { delta: Some(Arc::new(delta)), ..insertion(2) };
    let deletion = Change { kind: ChangeKind::Deleted, ..title_change(2) };
    let waits = |document: &mut OpenDocument, change: &Change| {
        matches!(document.apply_published(change), Published::Waits)
    };
    for change in [insertion(1), insertion(3), large, deletion] {
        assert!(waits(&mut document, &change), "{}", change.version);
    }
    let state = document.lend().unwrap();
    assert!(waits(&mut document, &insertion(2)), "the document is lent");
    document.take_back(state);
    assert_eq!(document.version(), Some(Version::FIRST));

    let mut unread = opened();
    unread.state.recent = Arc::new(unread.state.recent.emptied());
    assert!(waits(&mut unread, &insertion(2)), "the text is not in memory");
}

#[test]
fn a_large_text_is_not_kept_when_its_replica_is_dropped() {
    for (length, keeps_recent) in [(MAX_INLINE_BYTES, true), (MAX_INLINE_BYTES + 1, false)] {
        let mut document = opened();
        document.state.replica = Some(Replica::of(&"b".repeat(length)));
        document.drop_replica();
        assert!(document.replica().is_none());
        assert_eq!(document.state.head_content().is_some(), keeps_recent, "{length}");
    }
}

#[test]
fn a_large_text_without_a_replica_is_counted_and_dropped() {
    for (length, counted) in [(MAX_INLINE_BYTES, 0), (MAX_INLINE_BYTES + 1, MAX_INLINE_BYTES + 1)] {
        let mut document = opened();
        let mut state = document.lend().unwrap();
        state.replica = None;
        // As a node does that follows the log.
        let text = Some(Content::from(&*"b".repeat(length)));
        state.added = vec![Arc::new(Change { content: text, ..insertion(2) })];
        state.move_head(&insertion(2));
        document.take_back(state);
        assert_eq!(document.held_bytes(), counted);
        document.drop_replica();
        assert_eq!(document.held_bytes(), 0);
    }
}

#[test]
fn a_large_text_does_not_give_way_while_the_document_is_lent() {
    let mut document = opened();
    let mut state = document.lend().unwrap();
    state.replica = None;
    let text = Some(Content::from(&*"b".repeat(MAX_INLINE_BYTES + 1)));
    state.added = vec![Arc::new(Change { content: text, ..insertion(2) })];
    state.move_head(&insertion(2));
    document.take_back(state);
    assert!(document.can_give_way());
    // A replica that is in use takes more than the text that is here.
    let state = document.lend().unwrap();
    assert!(document.held_bytes() > 0 && !document.can_give_way());
    document.take_back(state);
    assert!(document.can_give_way());
}

#[test]
fn a_published_change_counts_for_its_author_only_without_a_replica() {
    let author = User { id: UserId::new(), name: "Bo".into() };
    let change = |version| Change { author: Some(author.clone()), ..insertion(version) };
    let mut document = opened();
    document.state.replica = Some(Replica::of("a"));
    let update = Some(Replica::of("").state().into());
    let with_update = Change { update, ..change(2) };
    assert!(matches!(document.apply_published(&with_update), Published::Applied(_)));
    assert_eq!(document.payer(), Party::Node);
    document.state.replica = None;
    assert!(matches!(document.apply_published(&change(3)), Published::Applied(_)));
    assert_eq!(document.payer(), Party::User(author.id));
}

#[test]
fn a_change_that_follows_another_head_is_not_applied() {
    let mut document = opened();
    let at = document.head().unwrap().at;
    let later = at + chrono::TimeDelta::microseconds(1);
    let on_another = Change { previous_at: Some(later), ..insertion(2) };
    assert!(matches!(document.apply_published(&on_another), Published::Diverged));
    let next = Change { previous_at: Some(at), ..insertion(2) };
    assert!(matches!(document.apply_published(&next), Published::Applied(_)));
}

#[test]
fn a_head_that_is_not_stored_by_the_next_comparison_is_noticed_although_it_moves_on() {
    let mut document = opened();
    let stored = |version: i64| {
        let (version, at) = (Version::new(version), title_change(version).at);
        Some(HeadVersions { version, at, access_version: 0 })
    };
    assert!(!document.is_ahead_of(stored(1), Instant::now()));
    for version in 2..5 {
        document.apply_published(&insertion(version));
        // Each time, the head has moved since the store was read.
        let read_at = document.moved_at;
        document.apply_published(&insertion(version));
        document.moved_at = Instant::now();
        assert!(!document.is_ahead_of(stored(version - 1), read_at), "stored a moment later");
    }
    document.apply_published(&insertion(5));
    let read_at = Instant::now();
    document.moved_at = Instant::now();
    assert!(document.is_ahead_of(stored(3), read_at), "4 was the head before");
}

#[test]
fn a_published_change_that_does_not_fit_is_not_applied() {
    let mut document = opened();
    let delta = serde_json::from_value(serde_json::json!([{ "delete": 7 }])).unwrap();
    let misfit = Change { delta: Some(Arc::new(delta)), ..insertion(2) };

    assert!(matches!(document.apply_published(&misfit), Published::Misfit));

    assert_eq!(document.version(), Some(Version::FIRST));
}

/// A change of other content than text.
fn change_of_cells(version: i64, bytes: usize) -> Change {
    let update = Some(bytes::Bytes::from(vec![0; bytes]));
    Change { kind: ChangeKind::Edited, update, ..title_change(version) }
}

/// Appends changes of `length` bytes until a snapshot is due. Returns how many bytes they have.
fn bytes_until_due(snapshot: usize, length: usize) -> usize {
    let mut document = opened();
    // Its text is short, however large the document is.
    document.state.replica = Some(Replica::of("a"));
    let version = Version::FIRST;
    document.state.snapshot = Some(LastSnapshot { version, bytes: snapshot, bytes_since: 0 });
    let mut bytes = 0;
    for version in 2..1_000 {
        document.state.move_head(&change_of_cells(version, length));
        bytes += length;
        if document.is_snapshot_due(1_000) {
            break;
        }
    }
    bytes
}

#[test]
fn the_tail_of_the_log_may_be_as_long_as_the_snapshot() {
    let length = MAX_LOG_TAIL_BYTES / 8;
    let snapshot = 5 * MAX_LOG_TAIL_BYTES;
    assert_eq!(bytes_until_due(snapshot, length), snapshot + length);
    assert_eq!(bytes_until_due(10, length), MAX_LOG_TAIL_BYTES + length, "of a small document");
}
