//! What an edit costs before the database sees it, what opening a document costs, and what a commit costs.
//!
//! `cargo bench --bench edits`. Compare medians of one run; absolute times depend on the machine.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on is of no use")]

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use coscribe::{
    domain::{ChangeKind, Content, Delta, DeltaStep, Document, Tie, Version},
    editing::Replica,
    store::{Batch, NewChange},
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

/// Some characters more at one place of a text.
fn small(at: i64, text: &str) -> Delta {
    let retain = (at > 0).then(|| DeltaStep { retain: Some(at), ..DeltaStep::default() });
    let insert = DeltaStep { insert: Some(text.to_owned()), ..DeltaStep::default() };
    Delta::from_steps(retain.into_iter().chain([insert])).unwrap()
}

/// A change of `steps` places.
fn large(steps: i64) -> Delta {
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
    let (mine, theirs) = (large(steps), large(steps));
    bencher.bench(|| black_box(&mine).transform(black_box(&theirs), Tie::Theirs));
}

#[divan::bench(args = [1, 100, 10_000])]
fn compose(bencher: Bencher<'_, '_>, steps: i64) {
    let (first, second) = (large(steps), large(steps));
    bencher.bench(|| black_box(&first).compose(black_box(&second)));
}

/// A text of 100 KB that was typed in pieces here and there: some ten thousand blocks for Yjs.
fn fragmented() -> Replica {
    let mut replica = Replica::of(&"A line of a text.\n".repeat(3_000));
    for n in 0..5_000_i64 {
        let at = (n * 7_919) % (54_000 + n * 8);
        replica.apply(&small(at, "nine ö– "), usize::MAX).unwrap();
    }
    replica
}

/// A keystroke in it: at the beginning, in the middle, at the end.
#[divan::bench(args = [0, 50_000, 90_000])]
fn replica_apply(bencher: Bencher<'_, '_>, at: i64) {
    let mut replica = fragmented();
    let delta = small(at, "x");
    bencher.bench_local(|| replica.apply(black_box(&delta), usize::MAX).unwrap());
}

/// What the Yjs part of that costs at 90,000, and what it would cost if the text were observed to learn what changed.
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

/// The same on the plain text alone.
#[divan::bench(args = [0, 50_000, 90_000])]
fn content_apply(bencher: Bencher<'_, '_>, at: i64) {
    let content = fragmented().content().clone();
    let delta = small(at, "x");
    bencher.bench(|| content.apply(black_box(&delta)).unwrap());
}

#[divan::bench]
#[allow(clippy::disallowed_methods, reason = "a deadline that is never met")]
fn difference_in_100_kb(bencher: Bencher<'_, '_>) {
    let old: String = (0..4_000).fold(String::new(), |mut text, line| {
        writeln!(text, "Line {line} of a long text.").unwrap();
        text
    });
    let new = old.replace("Line 2000 of", "Line two thousand of");
    let deadline = std::time::Instant::now() + Duration::from_secs(600);
    bencher.bench(|| Delta::between(black_box(&old), black_box(&new), deadline));
}

/// A backend and its runtime.
struct Bench {
    runtime: tokio::runtime::Runtime,
    backend: Backend,
}

impl Bench {
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
            delta: Some(Arc::clone(delta)),
            update: Some(update.clone()),
            size,
        }
    }
}

/// One transaction for so many edits.
#[divan::bench(args = [1, 16, 64])]
fn commit_batch(bencher: Bencher<'_, '_>, edits: usize) {
    let bench = Bench::new();
    let document = bench.document("Begin.").id;
    let (delta, update) = (Arc::new(small(3, "x")), Bytes::from_static(&[7; 40]));
    let mut seen = Version::FIRST;
    bencher.bench_local(|| {
        let changes = (0..edits).map(|_| bench.change(&delta, &update, 10)).collect();
        let batch = Batch { document, seen, changes, receipts: vec![], askers: vec![] };
        bench.runtime.block_on(bench.backend.store.commit(batch)).unwrap();
        seen = Version::new(seen.number() + i64::try_from(edits).unwrap());
    });
}

/// Reading the text of a document with 100,000 changes: a snapshot, and up to 499 changes after it.
#[divan::bench(sample_count = 20)]
fn open_after_100_000_changes(bencher: Bencher<'_, '_>) {
    const CHANGES: i64 = 100_000;
    let bench = Bench::new();
    let document = bench.document("").id;
    let (mut replica, mut seen, mut changes) = (Replica::of(""), Version::FIRST, vec![]);
    // What people do: they type on for a while, then somewhere else.
    let (mut at, mut length) = (0, 0_i64);
    for n in 0..CHANGES {
        at = if n % 40 == 0 { (n * 7_919) % (length + 1) } else { at + 1 };
        let delta = Arc::new(small(at, "x"));
        length += 1;
        let update = replica.apply(&delta, usize::MAX).unwrap();
        changes.push(bench.change(&delta, &update, replica.content().bytes()));
        // A snapshot as long ago as it can be: one more change, and there would be another.
        let is_last_snapshot = n + 500 == CHANGES;
        if changes.len() == 500 || is_last_snapshot || n + 1 == CHANGES {
            let count = i64::try_from(changes.len()).unwrap();
            let batch = Batch {
                document,
                seen,
                changes: std::mem::take(&mut changes),
                receipts: vec![],
                askers: vec![],
            };
            bench.runtime.block_on(bench.backend.store.commit(batch)).unwrap();
            seen = Version::new(seen.number() + count);
        }
        if is_last_snapshot {
            let state = replica.state();
            bench
                .runtime
                .block_on(bench.backend.store.store_snapshot(document, seen, state, 0))
                .unwrap();
        }
    }
    let expected = replica.content().clone();
    let opened = || -> Content {
        bench.runtime.block_on(bench.backend.rooms.content_at(document, seen)).unwrap()
    };
    assert!(opened() == expected);
    bencher.bench_local(opened);
}
