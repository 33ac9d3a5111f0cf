//! Benchmarks of applying an edit in memory, committing edits, and opening a document.
//!
//! Run them with `cargo bench --bench edits`. Compare medians within one run; absolute times depend on the machine.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails ends the run")]

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use coscribe::{
    domain::{
        Budget, ChangeKind, CompareUntil, Content, Delta, DeltaStep, Document, Party, Tie, Version,
    },
    editing::{ApplyBounds, Replica},
    store::{Batch, NewChange, NewSnapshot, SnapshotPatience},
};
use divan::{Bencher, black_box};
use kit::{Backend, generous_rooms};
use yrs::{
    Doc, Observable as _, OffsetKind, Options, Text as _, Transact as _, Update,
    updates::decoder::Decode as _,
};

fn main() {
    divan::main();
}

/// Returns a delta that inserts `text` at one position.
fn insertion(at: i64, text: &str) -> Delta {
    let retain = (at > 0).then(|| DeltaStep { retain: Some(at), ..DeltaStep::default() });
    let insert = DeltaStep { insert: Some(text.to_owned()), ..DeltaStep::default() };
    Delta::from_steps(retain.into_iter().chain([insert])).unwrap()
}

/// Returns a delta with `3 * steps` steps: a retain, an insert and a delete at each of `steps` positions.
fn many_steps(steps: i64) -> Delta {
    let step = |n: i64| {
        let retain = DeltaStep { retain: Some(3 + n % 5), ..DeltaStep::default() };
        let insert = DeltaStep { insert: Some("word 🎈".to_owned()), ..DeltaStep::default() };
        let delete = DeltaStep { delete: Some(1 + n % 2), ..DeltaStep::default() };
        [retain, insert, delete]
    };
    Delta::from_steps((0..steps).flat_map(step)).unwrap()
}

#[divan::bench(args = [1, 100, 10_000])]
fn transform(bencher: Bencher<'_, '_>, steps: i64) {
    let (mine, theirs) = (many_steps(steps), many_steps(steps));
    bencher.bench(|| black_box(&mine).transform(black_box(&theirs), Tie::Theirs));
}

#[divan::bench(args = [1, 100, 10_000])]
fn compose(bencher: Bencher<'_, '_>, steps: i64) {
    let (first, second) = (many_steps(steps), many_steps(steps));
    bencher.bench(|| black_box(&first).compose(black_box(&second)));
}

/// Returns a text of 100 KB that was typed in small pieces at many positions: about ten thousand blocks for Yjs.
fn fragmented() -> Replica {
    let mut replica = Replica::of(&"A line of a text.\n".repeat(3_000));
    for n in 0..5_000_i64 {
        let at = (n * 7_919) % (54_000 + n * 8);
        replica
            .apply(
                &insertion(at, "nine ö– "),
                ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &Budget::unlimited() },
            )
            .unwrap();
    }
    replica
}

/// Types one character into the fragmented text: at the beginning, in the middle, at the end.
#[divan::bench(args = [0, 50_000, 90_000])]
fn replica_apply(bencher: Bencher<'_, '_>, at: i64) {
    let mut replica = fragmented();
    let delta = insertion(at, "x");
    let budget = Budget::unlimited();
    bencher.bench_local(|| {
        replica
            .apply(
                black_box(&delta),
                ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &budget },
            )
            .unwrap()
    });
}

/// Measures only the Yjs part of `replica_apply` at position 90,000, without and with an observer of the text.
#[divan::bench(args = [false, true])]
fn yjs_apply_observed(bencher: Bencher<'_, '_>, observed: bool) {
    let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::default() });
    let text = doc.get_or_insert_text("content");
    let state = Update::decode_v1(&fragmented().state()).unwrap();
    doc.transact_mut().apply_update(state).unwrap();
    if observed {
        text.observe("watch", |txn, event| {
            black_box(event.delta(txn));
        });
    }
    bencher.bench_local(|| text.insert(&mut doc.transact_mut(), 90_000, "x"));
}

/// Types one character into the plain text, without Yjs.
#[divan::bench(args = [0, 50_000, 90_000])]
fn content_apply(bencher: Bencher<'_, '_>, at: i64) {
    let content = fragmented().content().clone();
    let delta = insertion(at, "x");
    bencher.bench(|| content.apply(black_box(&delta)).unwrap());
}

#[divan::bench]
#[allow(clippy::disallowed_methods, reason = "a deadline that is never reached")]
fn difference_in_100_kb(bencher: Bencher<'_, '_>) {
    let old: String = (0..4_000).fold(String::new(), |mut text, line| {
        writeln!(text, "Line {line} of a long text.").unwrap();
        text
    });
    let new = old.replace("Line 2000 of", "Line two thousand of");
    let deadline = std::time::Instant::now() + Duration::from_secs(600);
    let until = CompareUntil { deadline, budget: Budget::unlimited() };
    bencher.bench(|| Delta::between(black_box(&old), black_box(&new), &until));
}

/// A [`Backend`] and the runtime that it runs on.
struct Fixture {
    runtime: tokio::runtime::Runtime,
    backend: Backend,
}

impl Fixture {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let backend = runtime.block_on(Backend::new(generous_rooms()));
        Self { runtime, backend }
    }

    fn document(&self, text: &str) -> Document {
        self.runtime.block_on(self.backend.create_document(text))
    }

    fn change(&self, delta: &Arc<Delta>, update: &Bytes, size: usize) -> NewChange {
        NewChange {
            kind: ChangeKind::Edited,
            author: self.backend.user,
            session: None,
            edit: None,
            title: "Plan".into(),
            metadata: None,
            delta: Some(Arc::clone(delta)),
            update: Some(update.clone()),
            takes_back: None,
            size,
        }
    }
}

/// Commits this many edits in one transaction.
#[divan::bench(args = [1, 16, 64])]
fn commit_batch(bencher: Bencher<'_, '_>, edits: usize) {
    let fixture = Fixture::new();
    let document = fixture.document("Begin.").id;
    let (delta, update) = (Arc::new(insertion(3, "x")), Bytes::from_static(&[7; 40]));
    let mut base = Version::FIRST;
    bencher.bench_local(|| {
        let changes = (0..edits).map(|_| fixture.change(&delta, &update, 10)).collect();
        let batch = Batch {
            document,
            base,
            base_at: None,
            changes,
            receipts: vec![],
            other_authors: vec![],
        };
        fixture.runtime.block_on(fixture.backend.store.commit(batch)).unwrap();
        base = Version::new(base.number() + i64::try_from(edits).unwrap());
    });
}

/// Reads the text of a document with 100,000 changes: a snapshot and the 499 changes after it.
#[divan::bench(sample_count = 20)]
fn open_after_100_000_changes(bencher: Bencher<'_, '_>) {
    const CHANGES: i64 = 100_000;
    let fixture = Fixture::new();
    let document = fixture.document("").id;
    let (mut replica, mut base, mut changes) = (Replica::of(""), Version::FIRST, vec![]);
    // Imitates a person: types for a while at one position, then at another.
    let (mut at, mut length) = (0, 0_i64);
    for n in 0..CHANGES {
        at = if n % 40 == 0 { (n * 7_919) % (length + 1) } else { at + 1 };
        let delta = Arc::new(insertion(at, "x"));
        length += 1;
        let update = replica
            .apply(
                &delta,
                ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &Budget::unlimited() },
            )
            .unwrap();
        changes.push(fixture.change(&delta, &update, replica.content().bytes()));
        // The last snapshot is as old as possible: after one more change, the room would store another.
        let is_last_snapshot = n + 500 == CHANGES;
        if changes.len() == 500 || is_last_snapshot || n + 1 == CHANGES {
            let count = i64::try_from(changes.len()).unwrap();
            let batch = Batch {
                document,
                base,
                base_at: None,
                changes: std::mem::take(&mut changes),
                receipts: vec![],
                other_authors: vec![],
            };
            fixture.runtime.block_on(fixture.backend.store.commit(batch)).unwrap();
            base = Version::new(base.number() + count);
        }
        if is_last_snapshot {
            let state = replica.state();
            fixture
                .runtime
                .block_on(fixture.backend.store.store_snapshot(NewSnapshot {
                    payer: Party::Node,
                    document,
                    version: base,
                    at: None,
                    state,
                    body_text: None,
                    every: 0,
                    patience: SnapshotPatience::Usual,
                }))
                .unwrap();
        }
    }
    let expected = replica.content().clone();
    let opened = || -> Content {
        fixture
            .runtime
            .block_on(fixture.backend.rooms.text_at(document, base, Party::Node))
            .unwrap()
    };
    assert!(opened() == expected);
    bencher.bench_local(opened);
}
