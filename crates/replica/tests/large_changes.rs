//! Changes with thousands of steps: their effect, their time, and the budget that they spend.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use protocol::domain::{Budget, Content, Delta, DeltaStep, Exhausted};
use replica::{ApplyBounds, ApplyError, MergeBounds, Merged, Replica};
use support::{cpu_time, expect_linear_time};
use tokio::time::Instant;
use yrs::{
    ClientID, Doc, GetString as _, In, OffsetKind, Options, StateVector, Text as _, TextRef,
    Transact as _, Update, types::Delta as YjsStep, updates::decoder::Decode as _,
};

/// A line of a text and its length in code units.
const LINE: &str = "some text 🎈\n";
const LINE_UNITS: u32 = 13;

fn bounds(budget: Budget) -> MergeBounds {
    MergeBounds {
        text: 10_000_000,
        state: 10_000_000,
        structs: 100_000,
        document_structs: usize::MAX,
        clients: 1_000,
        compare_until: Instant::now().into_std() + Duration::from_secs(60),
        budget,
    }
}

fn unlimited() -> Budget {
    Budget::unlimited()
}

/// An editor that has the text of a replica.
struct Editor {
    doc: Doc,
    text: TextRef,
}

impl Editor {
    fn of(replica: &Replica) -> Self {
        let mut options = Options::with_client_id(ClientID::new(77));
        options.offset_kind = OffsetKind::Utf16;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text("content");
        doc.transact_mut().apply_update(Update::decode_v1(&replica.state()).unwrap()).unwrap();
        Self { doc, text }
    }

    /// Inserts two spaces at the start of each line, from the last to the first, and returns the update.
    fn indent(&self, lines: u32) -> Bytes {
        let mut txn = self.doc.transact_mut();
        // Boundaries at all lines make this fast in the editor.
        let retains = (0..lines).map(|_| YjsStep::<In>::Retain(LINE_UNITS, None));
        self.text.apply_delta(&mut txn, retains);
        for line in (0..lines).rev() {
            self.text.insert(&mut txn, line * LINE_UNITS, "  ");
        }
        txn.commit();
        txn.encode_update_v1().into()
    }

    /// Deletes the first letter of each line, and returns the update.
    fn delete_in_each_line(&self, lines: u32) -> Bytes {
        let mut txn = self.doc.transact_mut();
        let steps = (0..lines)
            .flat_map(|_| [YjsStep::<In>::Deleted(1), YjsStep::Retain(LINE_UNITS - 1, None)])
            .collect::<Vec<_>>();
        self.text.apply_delta(&mut txn, steps);
        txn.commit();
        txn.encode_update_v1().into()
    }

    /// Returns everything that a document with these clocks lacks.
    fn since(&self, clocks: std::collections::HashMap<u64, u32>) -> Bytes {
        use yrs::ReadTxn as _;
        let known =
            clocks.into_iter().map(|(client, clock)| (ClientID::new(client), clock)).collect();
        self.doc.transact().encode_state_as_update_v1(&StateVector::new(known)).into()
    }

    fn content(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

fn merge(replica: Replica, update: &Bytes, budget: Budget) -> (Replica, Merged) {
    let (replica, merged) = replica.merge(std::slice::from_ref(update), &bounds(budget));
    (replica.unwrap(), merged.unwrap().unwrap())
}

/// Returns a delta that indents each line and deletes its first letter.
fn indentation(lines: usize) -> Delta {
    let step = |insert: &str| {
        let insert = DeltaStep { insert: Some(insert.to_owned()), ..DeltaStep::default() };
        let delete = DeltaStep { delete: Some(1), ..DeltaStep::default() };
        let rest = i64::from(LINE_UNITS - 1);
        [insert, delete, DeltaStep { retain: Some(rest), ..DeltaStep::default() }]
    };
    Delta::from_steps((0..lines).flat_map(|_| step("  "))).unwrap()
}

#[test]
fn a_delta_of_thousands_of_steps_changes_text_and_document_alike() {
    let mut replica = Replica::of(&LINE.repeat(3_000));
    let before = replica.state();
    let update = replica
        .apply(
            &indentation(3_000),
            ApplyBounds { text: 10_000_000, structs: usize::MAX, budget: &unlimited() },
        )
        .unwrap();
    assert_eq!(*replica.content(), *"  ome text 🎈\n".repeat(3_000));
    assert_eq!(replica.plain_text(), replica.content().to_string());
    let other = Replica::load(&before, &Budget::unlimited())
        .unwrap()
        .followed_by([&*update], &Budget::unlimited())
        .unwrap();
    assert_eq!(other.content(), replica.content());
    assert_eq!(other.state_vector(), replica.state_vector());
}

#[test]
fn a_stopped_delta_is_not_applied() {
    let mut replica = Replica::of(&LINE.repeat(100));
    let budget = unlimited();
    budget.stop();
    let error = replica
        .apply(
            &indentation(100),
            ApplyBounds { text: 10_000_000, structs: usize::MAX, budget: &budget },
        )
        .unwrap_err();
    assert_eq!(error, ApplyError::Exhausted(Exhausted::Stopped));
    assert_eq!(*replica.content(), *LINE.repeat(100));
    let few = Budget::new(298);
    let error = replica
        .apply(
            &indentation(100),
            ApplyBounds { text: 10_000_000, structs: usize::MAX, budget: &few },
        )
        .unwrap_err();
    assert_eq!(error, ApplyError::Exhausted(Exhausted::Steps));
    assert_eq!(replica.plain_text(), LINE.repeat(100));
}

#[test]
fn an_update_of_thousands_of_structs_and_deletions_changes_text_and_document_alike() {
    let replica = Replica::of(&LINE.repeat(3_000));
    let before = replica.content().clone();
    let editor = Editor::of(&replica);
    let updates = [editor.indent(3_000), editor.delete_in_each_line(3_000)];
    let (replica, merged) = replica.merge(&updates, &bounds(unlimited()));
    let (replica, merged) = (replica.unwrap(), merged.unwrap().unwrap());
    assert!(!merged.leaves_out);
    assert_eq!(replica.plain_text(), editor.content());
    assert_eq!(before.apply(&merged.delta).unwrap(), *replica.content());
}

#[test]
fn an_update_beyond_the_budget_is_merged_in_parts() {
    const LINES: u32 = 5_000;
    let mut replica = Replica::of(&LINE.repeat(LINES as usize));
    let mut content = replica.content().clone();
    let editor = Editor::of(&replica);
    editor.indent(LINES);
    editor.delete_in_each_line(LINES);
    let mut parts = 0;
    loop {
        // As the server does: it asks for what is missing.
        let update = editor.since(replica.clocks());
        let (next, merged) = merge(replica, &update, Budget::new(7_000));
        replica = next;
        content = content.apply(&merged.delta).unwrap();
        assert_eq!(content, *replica.content());
        parts += 1;
        if !merged.leaves_out {
            break;
        }
    }
    assert_eq!(parts, 2);
    assert_eq!(replica.plain_text(), editor.content());
    assert_eq!(replica.content().to_string(), editor.content());
}

#[test]
fn a_stopped_merge_stores_a_part_and_changes_nothing_else() {
    const LINES: u32 = 5_000;
    let replica = Replica::of(&LINE.repeat(LINES as usize));
    let before: Content = replica.content().clone();
    let update = Editor::of(&replica).indent(LINES);
    let budget = unlimited();
    budget.stop();
    let (replica, merged) = merge(replica, &update, budget);
    assert!(merged.leaves_out);
    assert_eq!(before.apply(&merged.delta).unwrap(), *replica.content());
    let inserted = replica.content().units() - before.units();
    assert!(inserted > 0 && inserted <= 2 * 512, "{inserted}");
}

fn time_to_merge(lines: u32) -> Duration {
    let replica = Replica::of(&LINE.repeat(lines as usize));
    let update = Editor::of(&replica).indent(lines);
    cpu_time(|| {
        merge(replica, &update, unlimited());
    })
}

fn time_to_apply(lines: u32) -> Duration {
    let mut replica = Replica::of(&LINE.repeat(lines as usize));
    let delta = indentation(lines as usize);
    cpu_time(|| {
        let bounds = ApplyBounds { text: 10_000_000, structs: usize::MAX, budget: &unlimited() };
        replica.apply(&delta, bounds).unwrap();
    })
}

#[test]
fn the_time_of_a_change_grows_with_its_lines_and_not_with_their_square() {
    expect_linear_time("update", 2_500, time_to_merge);
    expect_linear_time("delta", 2_500, time_to_apply);
}
