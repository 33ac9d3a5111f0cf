use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::domain::{Budget, CompareUntil};
use serde_json::{Map, Value, json};
use yrs::{
    Any, Array as _, ClientID, Doc, Map as _, MapPrelim, OffsetKind, Options, Text as _,
    Transact as _, TransactionMut, Update, WriteTxn as _, Xml as _, XmlElementPrelim,
    XmlFragment as _, XmlOut, XmlTextPrelim, types::Attrs, updates::decoder::Decode as _,
};

use super::*;
use crate::{JsonTooLarge, MergeBounds, Replica};

fn until(budget: Budget) -> CompareUntil {
    let deadline = tokio::time::Instant::now().into_std() + Duration::from_secs(60);
    CompareUntil { deadline, budget }
}

fn difference(old: &Replica, new: &Replica) -> Difference {
    old.difference_to(new, &until(Budget::unlimited())).unwrap()
}

fn roots(difference: &Difference) -> Value {
    Value::Object(difference.roots.clone())
}

fn copy(replica: &Replica) -> Replica {
    Replica::load(&replica.state(), &Budget::unlimited()).unwrap()
}

/// Returns the document after what an editor does.
fn edited(replica: &Replica, client: u64, work: impl FnOnce(&mut TransactionMut<'_>)) -> Replica {
    let mut options = Options::with_client_id(ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    let mut txn = doc.transact_mut();
    txn.apply_update(Update::decode_v1(&replica.state()).unwrap()).unwrap();
    drop(txn);
    let mut txn = doc.transact_mut();
    work(&mut txn);
    txn.commit();
    let update: Bytes = txn.encode_update_v1().into();
    let bounds = MergeBounds {
        text: 100_000,
        state: 10_000_000,
        structs: 1_000_000,
        document_structs: 1_000_000,
        clients: 1_000,
        compare_until: until(Budget::unlimited()).deadline,
        budget: Budget::unlimited(),
    };
    let (replica, merged) = copy(replica).merge(&[update], &bounds);
    merged.unwrap();
    replica.unwrap()
}

fn format(name: &str, value: impl Into<Any>) -> Attrs {
    Attrs::from([(name.into(), value.into())])
}

#[test]
fn a_text_differs_by_a_quill_delta() {
    let old = Replica::of("One (two) three");
    let new = edited(&old, 1, |txn| {
        let text = txn.get_or_insert_text("content");
        text.remove_range(txn, 5, 3);
        text.format(txn, 0, 3, format("bold", true));
        let image = Any::from_json(r#"{ "image": "cat.png" }"#).unwrap();
        text.insert_embed(txn, 12, image);
        text.insert_with_attributes(txn, 13, "!", format("italic", true));
    });
    let there = difference(&old, &new);
    let ops = json!([
        { "retain": 3, "attributes": { "bold": true } },
        { "retain": 2 },
        { "delete": 3 },
        { "retain": 7 },
        { "insert": { "image": "cat.png" } },
        { "insert": "!", "attributes": { "italic": true } },
    ]);
    assert_eq!(roots(&there), json!({ "content": { "ops": ops } }));
    let counts = ChangeCounts {
        inserted_characters: 1,
        deleted_characters: 3,
        inserted_nodes: 1,
        ..ChangeCounts::default()
    };
    assert_eq!(there.counts, counts);
    let back = difference(&new, &old);
    let ops = json!([
        { "retain": 3, "attributes": { "bold": null } },
        { "retain": 2 },
        { "insert": "two" },
        { "retain": 7 },
        { "delete": 2 },
    ]);
    assert_eq!(roots(&back), json!({ "content": { "ops": ops } }));
}

/// Inserts a paragraph into the XML of a rich text editor.
fn insert_paragraph(txn: &mut TransactionMut<'_>, at: u32, text: &str) {
    let body = txn.get_or_insert_xml_fragment("default");
    let paragraph = body.insert(txn, at, XmlElementPrelim::empty("paragraph"));
    paragraph.insert(txn, 0, XmlTextPrelim::new(text));
}

#[test]
fn a_tree_differs_by_its_nodes() {
    let old = edited(&Replica::of(""), 1, |txn| {
        for (at, text) in (0..).zip(["One", "Two", "Three"]) {
            insert_paragraph(txn, at, text);
        }
    });
    let new = edited(&old, 2, |txn| {
        let body = txn.get_or_insert_xml_fragment("default");
        let Some(XmlOut::Element(second)) = body.get(txn, 1) else { panic!() };
        let Some(XmlOut::Text(text)) = second.get(txn, 0) else { panic!() };
        text.insert(txn, 3, "!");
        second.insert_attribute(txn, "align", Any::from("right"));
        body.remove_range(txn, 2, 1);
        insert_paragraph(txn, 0, "New");
    });
    let there = difference(&old, &new);
    let node = |text: &str| {
        let text = json!({ "type": "text", "text": text });
        json!({ "type": "paragraph", "content": [text] })
    };
    let second = json!({
        "type": "paragraph",
        "attrs": { "align": { "to": "right" } },
        "content": [{ "change": { "ops": [{ "retain": 3 }, { "insert": "!" }] } }],
    });
    let steps = json!([
        { "insert": [node("New")] },
        { "keep": 1 },
        { "change": second },
        { "delete": [node("Three")] },
    ]);
    assert_eq!(roots(&there), json!({ "default": { "content": steps } }));
    let counts = ChangeCounts {
        inserted_characters: 4,
        deleted_characters: 5,
        inserted_nodes: 1,
        deleted_nodes: 1,
        changed_entries: 1,
    };
    assert_eq!(there.counts, counts);
}

#[test]
fn maps_and_lists_differ_by_their_entries() {
    let old = edited(&Replica::of(""), 1, |txn| {
        let cells = txn.get_or_insert_map("cells");
        cells.insert(txn, "gone", "1");
        cells.insert(txn, "same", "2");
        cells.insert(txn, "other", "3");
        cells.insert(txn, "inner", MapPrelim::from([("a", "b")]));
        txn.get_or_insert_array("list").insert_range(txn, 0, ["a", "b", "c"]);
    });
    let new = edited(&old, 2, |txn| {
        let cells = txn.get_or_insert_map("cells");
        cells.remove(txn, "gone");
        cells.insert(txn, "other", "three");
        let Some(yrs::Out::YMap(inner)) = cells.get(txn, "inner") else { panic!() };
        inner.insert(txn, "b", true);
        let list = txn.get_or_insert_array("list");
        list.remove_range(txn, 1, 1);
        list.insert(txn, 2, "end");
    });
    let there = roots(&difference(&old, &new));
    let cells = json!({ "entries": {
        "gone": { "from": "1" },
        "other": { "from": "3", "to": "three" },
        "inner": { "change": { "entries": { "b": { "to": true } } } },
    } });
    assert_eq!(there["cells"], cells);
    let list = json!([{ "keep": 1 }, { "delete": ["b"] }, { "keep": 1 }, { "insert": ["end"] }]);
    assert_eq!(there["list"], json!({ "content": list }));
}

#[test]
fn equal_versions_do_not_differ_and_odd_content_is_shown_whole() {
    let old = Replica::of("Same");
    assert_eq!(difference(&old, &copy(&old)).roots, Map::new());
    // A root type with both text and values, which no editor writes.
    let odd = edited(&old, 1, |txn| {
        txn.get_or_insert_text("mixed").insert(txn, 0, "text");
        txn.get_or_insert_array("mixed").insert(txn, 4, 1);
    });
    let there = difference(&old, &odd);
    assert_eq!(there.roots["mixed"]["from"], Value::Null);
    assert!(there.roots["mixed"]["to"].is_array());
    assert_eq!(there.counts, ChangeCounts::default());
    assert_eq!(difference(&odd, &copy(&odd)).roots, Map::new());
}

#[test]
fn a_large_format_is_not_repeated_without_end() {
    let old = Replica::of("");
    let new = edited(&old, 1, |txn| {
        let text = txn.get_or_insert_text("content");
        text.insert(txn, 0, &"ab".repeat(100));
        text.format(txn, 0, 200, format("note", "x".repeat(1_000_000)));
        for at in 0..100 {
            text.format(txn, 2 * at, 1, format("bold", true));
        }
    });
    let refused = old.difference_to(&new, &until(Budget::unlimited()));
    assert_eq!(refused, Err(Exhausted::Steps));
    assert_eq!(new.content_json_within(10_000_000), Err(JsonTooLarge));
    assert_eq!(new.root_json_within("content", 10_000_000), Err(JsonTooLarge));
}

#[test]
fn a_comparison_has_a_budget() {
    let (old, new) = (Replica::of("One\nTwo\n"), Replica::of("Three\n"));
    let refused = |budget| old.difference_to(&new, &until(budget)).unwrap_err();
    assert_eq!(refused(Budget::new(1)), Exhausted::Steps);
    let stopped = Budget::unlimited();
    stopped.stop();
    assert_eq!(refused(stopped), Exhausted::Stopped);
    let many = Replica::of(&"\n".repeat(3_000_000));
    let refused = old.difference_to(&many, &until(Budget::unlimited()));
    assert_eq!(refused.unwrap_err(), Exhausted::Steps);
}

/// A UTF-16 code unit or an object of a text, with its formats.
type TextUnit = (Value, Map<String, Value>);

/// Returns the units that a step inserts.
fn units_of(step: &Value) -> Vec<TextUnit> {
    let formats = step["attributes"].as_object().cloned().unwrap_or_default();
    let contents: Vec<Value> = match &step["insert"] {
        Value::String(text) => text.encode_utf16().map(Value::from).collect(),
        object => vec![object.clone()],
    };
    contents.into_iter().map(|content| (content, formats.clone())).collect()
}

fn units(replica: &Replica) -> Vec<TextUnit> {
    let content = replica.content_json();
    content["ops"].as_array().unwrap().iter().flat_map(units_of).collect()
}

fn apply_ops(old: Vec<TextUnit>, ops: &[Value]) -> Vec<TextUnit> {
    let (mut old, mut new) = (old.into_iter(), Vec::new());
    for op in ops {
        if let Some(count) = op["retain"].as_u64() {
            for (content, mut formats) in old.by_ref().take(usize::try_from(count).unwrap()) {
                for (name, value) in op["attributes"].as_object().into_iter().flatten() {
                    match value {
                        Value::Null => drop(formats.remove(name)),
                        value => drop(formats.insert(name.clone(), value.clone())),
                    }
                }
                new.push((content, formats));
            }
        } else if let Some(count) = op["delete"].as_u64() {
            old.by_ref().take(usize::try_from(count).unwrap()).for_each(drop);
        } else {
            new.extend(units_of(op));
        }
    }
    new.extend(old);
    new
}

/// A change that an editor makes, as numbers that choose what it does and where.
type Choice = (u8, u16, u16);

fn apply(txn: &mut TransactionMut<'_>, (what, at, more): Choice) {
    let text = txn.get_or_insert_text("content");
    let length = text.len(txn);
    // Words begin and end whole at these places, so no character is split.
    let place = if at % 2 == 0 { 0 } else { length };
    let word = ["Hello ", "🎈", "the end", "\n", "x"][usize::from(more) % 5];
    match what % 5 {
        0 => text.insert(txn, place, word),
        1 => text.insert_with_attributes(txn, place, word, format("bold", true)),
        2 if length > 0 => {
            let value = if more % 2 == 0 { Any::from(true) } else { Any::Null };
            text.format(txn, 0, length, format("bold", value));
        }
        3 => {
            let image = Any::from_json(&json!({ "image": more }).to_string()).unwrap();
            text.insert_embed(txn, place, image);
        }
        _ if length > 0 && more % 4 == 0 => text.remove_range(txn, 0, length),
        _ => {}
    }
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(any::<Choice>(), 1..20)
}

proptest! {
    #[test]
    fn the_steps_lead_from_one_version_to_the_other(first in choices(), later in choices()) {
        let write = |replica: &Replica, client, choices: Vec<Choice>| {
            edited(replica, client, |txn| choices.into_iter().for_each(|choice| apply(txn, choice)))
        };
        let one = write(&Replica::of("Begin"), 1, first);
        let two = write(&one, 2, later);
        for (old, new) in [(&one, &two), (&two, &one)] {
            let there = difference(old, new);
            let ops = there.roots.get("content").map(|content| content["ops"].as_array().unwrap());
            let ops = ops.cloned().unwrap_or_default();
            prop_assert_eq!(apply_ops(units(old), &ops), units(new));
            prop_assert_eq!(there.roots.is_empty(), old.content_json() == new.content_json());
        }
    }
}
