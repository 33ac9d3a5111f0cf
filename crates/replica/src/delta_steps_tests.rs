use protocol::domain::Budget;
use serde_json::json;
use yrs::{Map as _, MapPrelim, Transact as _};

use super::*;
use crate::{ApplyBounds, Replica};

fn delta(steps: Value) -> Delta {
    serde_json::from_value(steps).unwrap()
}

fn apply(replica: &mut Replica, steps: Value) -> Vec<u8> {
    let budget = Budget::unlimited();
    let bounds = ApplyBounds { text: 1_000, structs: usize::MAX, budget: &budget };
    replica.apply(&delta(steps), bounds).unwrap().to_vec()
}

/// Returns the text with its formats and embedded objects.
fn body(replica: &Replica) -> Value {
    replica.root_json(Replica::TEXT_ROOT).unwrap()
}

/// Returns the steps that the library reports for a change.
fn reported(replica: &Replica, change: impl FnOnce(&mut TransactionMut<'_>)) -> Value {
    let applied = replica.apply_observed(&mut replica.doc.transact_mut(), |txn| {
        change(txn);
        Ok(crate::parts::Extent::Whole)
    });
    let steps = applied.unwrap().steps.unwrap_or_default();
    serde_json::to_value(Delta::from_steps(steps).unwrap()).unwrap()
}

#[test]
fn formats_and_objects_of_a_delta_are_those_of_the_document() {
    let mut replica = Replica::of("Hello world");
    apply(
        &mut replica,
        json!([
            { "retain": 5, "attributes": { "bold": true } },
            { "insert": ", big", "attributes": { "color": "red" } },
            { "embed": { "image": "x.png" }, "attributes": { "width": 20 } },
        ]),
    );
    assert_eq!(*replica.content(), *"Hello, big\u{FFFC} world");
    assert_eq!(replica.plain_text(), replica.content().to_string());
    assert_eq!(
        body(&replica),
        json!([
            { "insert": "Hello", "attributes": { "bold": true } },
            { "insert": ", big", "attributes": { "color": "red" } },
            { "insert": { "image": "x.png" }, "attributes": { "width": 20 } },
            { "insert": " world" },
        ])
    );
    // Inserted text has the formats of its step and no others.
    apply(
        &mut replica,
        json!([
            { "retain": 2 },
            { "insert": "y" },
            { "delete": 1 },
            { "retain": 2, "attributes": { "bold": null, "italic": true } },
            { "retain": 5 },
            { "delete": 1 },
        ]),
    );
    assert_eq!(
        body(&replica),
        json!([
            { "insert": "He", "attributes": { "bold": true } },
            { "insert": "y" },
            { "insert": "lo", "attributes": { "italic": true } },
            { "insert": ", big", "attributes": { "color": "red" } },
            { "insert": " world" },
        ])
    );
    let loaded = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
    assert_eq!(body(&loaded), body(&replica));
}

#[test]
fn formats_that_the_text_has_make_an_empty_update() {
    let mut replica = Replica::of("Hello");
    let bold = || json!([{ "retain": 3, "attributes": { "bold": true } }]);
    assert_ne!(apply(&mut replica, bold()), Replica::EMPTY_UPDATE);
    assert_eq!(apply(&mut replica, bold()), Replica::EMPTY_UPDATE);
}

#[test]
fn a_change_of_an_editor_has_its_formats_and_objects() {
    let replica = Replica::of("Hello world");
    let text = replica.text.clone();
    let bold = |value: Any| Attrs::from([("bold".into(), value)]);
    let steps = reported(&replica, |txn| text.format(txn, 0, 5, bold(true.into())));
    assert_eq!(steps, json!([{ "retain": 5, "attributes": { "bold": true } }]));
    let steps = reported(&replica, |txn| text.insert(txn, 3, "p!"));
    let typed = json!({ "insert": "p!", "attributes": { "bold": true } });
    assert_eq!(steps, json!([{ "retain": 3 }, typed]));
    let steps = reported(&replica, |txn| text.format(txn, 5, 2, bold(Any::Null)));
    assert_eq!(steps, json!([{ "retain": 5 }, { "retain": 2, "attributes": { "bold": null } }]));
    let steps = reported(&replica, |txn| {
        text.insert_embed(txn, 13, Any::from_json(r#"{"image":"x.png"}"#).unwrap());
    });
    let image = json!({ "insert": "\u{FFFC}", "embed": { "image": "x.png" } });
    assert_eq!(steps, json!([{ "retain": 13 }, image]));
    // A bold word is deleted with its formats: nothing else changes.
    let steps = reported(&replica, |txn| text.apply_delta(txn, [YjsStep::<In>::Deleted(5)]));
    assert_eq!(steps, json!([{ "delete": 5 }]));
    // A shared type is shown with what it has when it is inserted.
    let steps = reported(&replica, |txn| {
        let map = text.insert_embed(txn, 0, MapPrelim::default());
        map.insert(txn, "kind", "table");
    });
    assert_eq!(steps, json!([{ "insert": "\u{FFFC}", "embed": { "kind": "table" } }]));
}

#[test]
fn formats_that_are_too_large_or_nested_too_deep_are_left_out() {
    let replica = Replica::of("Hello world");
    let text = replica.text.clone();
    let large = Any::from("x".repeat(MAX_RICH_BYTES));
    let deep = (0..=MAX_LEVELS).fold(Any::Null, |inner, _level| Any::Array([inner].into()));
    for value in [large, deep] {
        let steps = reported(&replica, |txn| {
            text.format(txn, 0, 5, Attrs::from([("note".into(), value)]));
            text.insert(txn, 11, "!");
        });
        assert_eq!(steps, json!([{ "retain": 11 }, { "insert": "!" }]));
        reported(&replica, |txn| text.remove_range(txn, 11, 1));
    }
}

#[test]
fn formats_that_were_left_out_are_known_to_the_next_change() {
    let replica = Replica::of("Hello world");
    let text = replica.text.clone();
    let note = |value: Any| Attrs::from([("note".into(), value)]);
    let large = Any::from("x".repeat(MAX_RICH_BYTES));
    reported(&replica, |txn| text.format(txn, 0, 5, note(large)));
    let steps = reported(&replica, |txn| text.format(txn, 0, 5, note(Any::Null)));
    // The library reports the end of the format for the rest as well, where it changes nothing.
    assert_eq!(steps, json!([{ "retain": 11, "attributes": { "note": null } }]));
}
