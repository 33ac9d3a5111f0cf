use bytes::Bytes;
use protocol::domain::{Budget, Delta, DeltaStep, TextFormats};
use tokio::time::Instant;
use yrs::{
    Any, Doc, ReadTxn as _, StateVector, Text as _, Transact as _, XmlElementPrelim,
    XmlFragment as _, XmlTextPrelim, types::Attrs,
};

use super::*;
use crate::{
    merge::{MergeBounds, MergeError, Merged},
    replica::{ApplyBounds, ApplyError},
};

fn bounds() -> MergeBounds {
    MergeBounds {
        text: 10_000_000,
        state: 100_000_000,
        structs: 500_000,
        document_structs: 500_000,
        clients: usize::MAX,
        compare_until: Instant::now().into_std(),
        budget: Budget::unlimited(),
    }
}

fn merge(replica: Replica, update: Bytes) -> (Replica, Result<Option<Merged>, MergeError>) {
    let (replica, merged) = replica.merge(&[update], &bounds());
    (replica.unwrap_or_else(|| panic!("{:?}", merged.as_ref().err())), merged)
}

/// A document of an editor, of which a replica merges what is new.
struct Editor {
    doc: Doc,
    seen: StateVector,
}

impl Editor {
    fn new() -> Self {
        Self { doc: Doc::with_client_id(7_u64), seen: StateVector::default() }
    }

    /// Writes this many objects into the text, and formats all of it with these names.
    fn write(&self, objects: usize, names: std::ops::Range<usize>) {
        let text = self.doc.get_or_insert_text("content");
        let mut txn = self.doc.transact_mut();
        for _object in 0..objects {
            text.insert_embed(&mut txn, 0, Any::from_json(r#"{"image":"dot.png"}"#).unwrap());
        }
        let formats = names.map(|name| (format!("format-{name}").into(), Any::from(true)));
        let formats: Attrs = formats.collect();
        let length = text.len(&txn);
        text.format(&mut txn, 0, length, formats);
    }

    fn update(&mut self) -> Bytes {
        let txn = self.doc.transact();
        let update = txn.encode_state_as_update_v1(&self.seen);
        self.seen = txn.state_vector();
        update.into()
    }
}

#[test]
fn formats_that_would_be_copied_too_often_are_refused() {
    let mut editor = Editor::new();
    editor.write(2_000, 0..2_000);
    let whole = editor.update();
    assert!(whole.len() < 200_000);
    let empty = Replica::of("");
    let before = empty.state();
    let (replica, refused) = merge(empty, whole);
    assert!(matches!(refused, Err(MergeError::TooManyFormats { .. })), "{:?}", refused.err());
    assert_eq!(replica.state(), before);
}

#[test]
fn formats_that_come_in_many_updates_are_refused_when_they_are_too_many() {
    let (mut editor, mut replica) = (Editor::new(), Replica::of(""));
    let mut accepted = 0;
    let refused = loop {
        editor.write(50, accepted * 50..(accepted + 1) * 50);
        let (same, merged) = merge(replica, editor.update());
        replica = same;
        match merged {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 100);
    };
    assert!(matches!(refused, MergeError::TooManyFormats { .. }));
    // As many as the limit allows, apart from what is not counted near it.
    let (names, limit) = (accepted as u64 * 50, replica.format_limit());
    // Two pieces for each object, and two for each format.
    let copies = |names: u64| names * (2 * names + 2 * names);
    assert!(copies(names + 50) > limit - limit / ESTIMATED_SHARE, "{names} names");
    assert!(copies(names) <= limit, "{names} names");
    // Deletions are still possible.
    let delete = DeltaStep { delete: Some(10), ..DeltaStep::default() };
    assert!(apply(&mut replica, &Delta::from_steps([delete]).unwrap()).is_ok());
}

#[test]
fn deltas_are_refused_like_updates() {
    let mut replica = Replica::of(&"x".repeat(3_000));
    let (mut formatted, mut refused) = (0, None);
    for round in 0..200_usize {
        let names: Vec<String> = (round * 20..(round + 1) * 20).map(|n| format!("f{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let steps = [retain(round * 10, &[]), retain(3_000 - round * 10, &names)];
        let steps = steps.into_iter().filter(|step| step.retain != Some(0));
        match apply(&mut replica, &Delta::from_steps(steps).unwrap()) {
            Ok(_) => formatted += 1,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert!(matches!(refused, Some(ApplyError::TooManyFormats { .. })), "{refused:?}");
    assert!(formatted > 10);
}

#[test]
fn one_name_may_be_used_in_as_many_places_as_a_delta_has() {
    let mut replica = Replica::of("");
    let steps = |words: usize| {
        (0..words).map(|word| {
            let names: &[&str] = if word % 2 == 0 { &["bold"] } else { &["italic", "color"] };
            DeltaStep {
                insert: Some("word ".into()),
                attributes: formats(names),
                ..DeltaStep::default()
            }
        })
    };
    for _edit in 0..3 {
        assert!(apply(&mut replica, &Delta::from_steps(steps(10_000)).unwrap()).is_ok());
    }
    assert!(apply(&mut replica, &Delta::from_steps(steps(200)).unwrap()).is_ok());
}

#[test]
fn formats_that_were_removed_do_not_count() {
    let (mut editor, mut replica) = (Editor::new(), Replica::of(""));
    editor.write(500, 0..0);
    for round in 0..10 {
        editor.write(0, round * 500..(round + 1) * 500);
        let (same, merged) = merge(replica, editor.update());
        assert!(merged.is_ok(), "round {round}: {:?}", merged.err());
        let text = editor.doc.get_or_insert_text("content");
        let mut txn = editor.doc.transact_mut();
        let names = (round * 500..(round + 1) * 500).map(|name| format!("format-{name}"));
        let removed: Attrs = names.map(|name| (name.into(), Any::Null)).collect();
        let length = text.len(&txn);
        text.format(&mut txn, 0, length, removed);
        drop(txn);
        let (same, merged) = merge(same, editor.update());
        assert!(merged.is_ok(), "round {round}: {:?}", merged.err());
        replica = same;
    }
}

#[test]
fn a_long_document_with_ordinary_formats_is_accepted() {
    let mut editor = Editor::new();
    let body = editor.doc.get_or_insert_xml_fragment("body");
    for number in 0..3_000_usize {
        let mut txn = editor.doc.transact_mut();
        let paragraph = body.push_back(&mut txn, XmlElementPrelim::empty("paragraph"));
        let text = paragraph.push_back(&mut txn, XmlTextPrelim::new("some bold and linked words"));
        // Comments have a name of their own each.
        let names = ["bold".to_owned(), "link".to_owned(), format!("comment--{number}")];
        for (at, name) in names.into_iter().enumerate() {
            let at = u32::try_from(at).unwrap() * 5;
            text.format(&mut txn, at, 4, Attrs::from([(name.into(), Any::from(true))]));
        }
    }
    let (replica, merged) = merge(Replica::of(""), editor.update());
    assert!(merged.is_ok(), "{:?}", merged.err());
    let reloaded = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
    let paragraph = {
        let mut txn = editor.doc.transact_mut();
        body.push_back(&mut txn, XmlElementPrelim::empty("paragraph"));
        drop(txn);
        editor.update()
    };
    assert!(merge(reloaded, paragraph).1.is_ok());
}

fn formats(names: &[&str]) -> TextFormats {
    let all: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), true.into())).collect();
    if all.is_empty() { TextFormats::default() } else { TextFormats::new(all.into()).unwrap() }
}

fn retain(length: usize, names: &[&str]) -> DeltaStep {
    DeltaStep {
        retain: Some(i64::try_from(length).unwrap()),
        attributes: formats(names),
        ..DeltaStep::default()
    }
}

fn apply(replica: &mut Replica, delta: &Delta) -> Result<Bytes, ApplyError> {
    let budget = Budget::unlimited();
    replica.apply(delta, ApplyBounds { text: 10_000_000, structs: 500_000, budget: &budget })
}
