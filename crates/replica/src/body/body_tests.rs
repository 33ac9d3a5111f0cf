use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::domain::Budget;
use serde_json::{Value, json};
use yrs::{
    Doc, ReadTxn, StateVector, Text as _, Transact as _, Update, XmlElementPrelim,
    XmlFragment as _, XmlFragmentRef, XmlOut, XmlTextPrelim, XmlTextRef,
    updates::decoder::Decode as _,
};

use super::*;
use crate::editors::copy;

fn bounds() -> MergeBounds {
    MergeBounds {
        text: 100_000,
        state: 1_000_000,
        structs: 10_000,
        document_structs: usize::MAX,
        clients: 1_000,
        compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(5),
        budget: Budget::unlimited(),
    }
}

fn body(root: &str, json: Value) -> DocumentBody {
    DocumentBody::new(root, None, json).unwrap()
}

/// Returns why a new document cannot have this content.
fn refused(root: &str, kind: Option<BodyKind>, json: Value) -> String {
    match DocumentBody::new(root, kind, json) {
        Ok(body) => Replica::of("").replace_body(&body, &bounds()).1.err().unwrap().to_string(),
        Err(mismatch) => mismatch.to_string(),
    }
}

/// Replaces the content of a root type. Returns the update; `None` if nothing changed.
fn replaced(replica: Replica, root: &str, json: Value) -> (Replica, Option<Bytes>) {
    let (replica, restored) = replica.replace_body(&body(root, json), &bounds());
    (replica.unwrap(), restored.unwrap().map(|restored| restored.update))
}

fn of(root: &str, json: Value) -> Replica {
    replaced(Replica::of(""), root, json).0
}

fn shown(replica: &Replica, root: &str) -> Value {
    replica.content_json()["roots"][root].clone()
}

fn merged(replica: Replica, updates: &[Bytes]) -> Replica {
    let (replica, merged) = replica.merge(updates, &bounds());
    assert!(!merged.unwrap().unwrap().leaves_out);
    replica.unwrap()
}

fn paragraph(text: &str) -> Value {
    json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] })
}

/// Returns the update of an editor who changes the XML of a document.
fn edited(
    replica: &Replica,
    change: impl FnOnce(&XmlFragmentRef, &mut yrs::TransactionMut<'_>),
) -> Bytes {
    let doc = Doc::with_client_id(9_u64);
    let fragment = doc.get_or_insert_xml_fragment("default");
    doc.transact_mut().apply_update(Update::decode_v1(&replica.state()).unwrap()).unwrap();
    let mut txn = doc.transact_mut();
    change(&fragment, &mut txn);
    txn.commit();
    txn.encode_update_v1().into()
}

#[test]
fn content_of_every_kind_is_written_as_it_is_read() {
    let tree = json!([
        { "type": "heading", "attrs": { "level": 2 }, "content": [{ "type": "text", "text": "Plan" }] },
        { "type": "paragraph", "content": [
            { "type": "text", "text": "See " },
            { "type": "text", "marks": [{ "type": "bold" }, { "type": "link", "attrs": { "href": "/a" } }], "text": "this" },
            { "type": "hardBreak" },
            { "type": "text", "text": "🎈." },
        ] },
        { "type": "image", "attrs": { "src": "a.png" } },
        { "attrs": { "__type": "block" }, "content": [{ "type": "text", "text": "Lexical" }] },
    ]);
    assert_eq!(shown(&of("default", tree.clone()), "default"), tree);
    let document = json!({ "type": "doc", "content": tree });
    assert_eq!(shown(&of("default", document), "default"), tree);
    let map = json!({ "title": "Plan", "done": false, "tags": ["a", { "b": 1.5 }], "none": null });
    assert_eq!(shown(&of("map", map.clone()), "map"), map);
    let list = json!([1, "two", { "three": 3 }, [4], null]);
    assert_eq!(shown(&of("list", list.clone()), "list"), list);
    let steps = json!([
        { "insert": "Hello " },
        { "insert": "Bob", "attributes": { "bold": true } },
        { "insert": { "image": "a.png" }, "attributes": { "width": 3 } },
    ]);
    let replica = of("content", steps.clone());
    assert_eq!(replica.content_json()["ops"], steps);
    assert_eq!(*replica.content(), *"Hello Bob\u{FFFC}");
}

/// Returns the XML text at a place in the block at a place.
fn text_of(fragment: &XmlFragmentRef, txn: &impl ReadTxn, block: u32, text: u32) -> XmlTextRef {
    let Some(XmlOut::Element(block)) = fragment.get(txn, block) else { panic!("no block") };
    let Some(XmlOut::Text(text)) = block.get(txn, text) else { panic!("no text") };
    text
}

#[test]
fn a_paragraph_whose_text_was_deleted_keeps_its_place_for_what_others_type() {
    let replica = of("default", json!([paragraph("One"), paragraph("Two")]));
    let cleared = edited(&replica, |fragment, txn| {
        let text = text_of(fragment, txn, 0, 0);
        text.remove_range(txn, 0, 3);
    });
    let replica = merged(replica, &[cleared]);
    let read = json!([{ "type": "paragraph" }, paragraph("Two")]);
    assert_eq!(shown(&replica, "default"), read);
    let typed = edited(&replica, |fragment, txn| {
        text_of(fragment, txn, 0, 0).insert(txn, 0, "typed");
    });
    // The same content is no change.
    let (replica, update) = replaced(replica, "default", read);
    assert_eq!(update, None);
    // Another block, another attribute, and another node around it.
    for changed in [
        json!([{ "type": "paragraph" }, paragraph("Three")]),
        json!([{ "type": "paragraph", "attrs": { "align": "right" } }, paragraph("Two")]),
        json!([{ "type": "paragraph" }, paragraph("Two"), { "type": "image" }]),
    ] {
        let (after, update) = replaced(copy(&replica), "default", changed.clone());
        assert!(update.is_some());
        assert_eq!(shown(&after, "default"), changed);
        let after = merged(after, std::slice::from_ref(&typed));
        assert_eq!(shown(&after, "default")[0]["content"][0]["text"], "typed", "{changed}");
    }
}

#[test]
fn what_others_type_in_a_paragraph_that_becomes_empty_survives() {
    let replica = of("default", json!([paragraph("One"), paragraph("Two")]));
    let typed = edited(&replica, |fragment, txn| {
        text_of(fragment, txn, 0, 0).insert(txn, 3, " typed");
    });
    let emptied = json!([{ "type": "paragraph" }, paragraph("Two")]);
    let (replica, _update) = replaced(replica, "default", emptied);
    let replica = merged(replica, &[typed]);
    assert_eq!(shown(&replica, "default"), json!([paragraph(" typed"), paragraph("Two")]));
}

#[test]
fn xml_texts_that_follow_each_other_stay_apart() {
    let replica = of("default", json!([{ "type": "paragraph" }]));
    let first_letters = edited(&replica, |fragment, txn| {
        let Some(XmlOut::Element(block)) = fragment.get(txn, 0) else { panic!("no block") };
        block.push_back(txn, XmlTextPrelim::new("one "));
        block.push_back(txn, XmlTextPrelim::new("two"));
    });
    let replica = merged(replica, &[first_letters]);
    let typed = edited(&replica, |fragment, txn| {
        text_of(fragment, txn, 0, 0).insert(txn, 0, "A");
        text_of(fragment, txn, 0, 1).insert(txn, 3, "Z");
    });
    let read = shown(&replica, "default");
    let (replica, update) = replaced(replica, "default", read);
    assert_eq!(update, None);
    for (changed, expected) in [
        ("one two!", "Aone two!Z"),
        ("> one two", "> Aone twoZ"),
        ("one and two", "Aone and twoZ"),
        ("", "AZ"),
    ] {
        let content = match changed {
            "" => json!([{ "type": "paragraph" }]),
            text => json!([paragraph(text)]),
        };
        let (after, update) = replaced(copy(&replica), "default", content);
        assert!(update.is_some());
        let after = merged(after, std::slice::from_ref(&typed));
        let shown = shown(&after, "default");
        let texts = shown[0]["content"].as_array().unwrap().iter();
        let text: String = texts.map(|node| node["text"].as_str().unwrap()).collect();
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        assert_eq!(letters(&text), letters(expected), "{text}");
        assert!(text.starts_with('A') || changed.starts_with('>'), "{text}");
    }
}

#[test]
fn a_root_type_keeps_its_kind_unless_another_one_is_given() {
    let tasks = json!([{ "type": "todo", "done": false }, { "type": "todo", "done": true }]);
    let given = DocumentBody::new("tasks", Some(BodyKind::List), tasks.clone()).unwrap();
    let (replica, _written) = Replica::of("").replace_body(&given, &bounds());
    let replica = replica.unwrap();
    // What is read is written as it was.
    assert_eq!(shown(&replica, "tasks"), tasks);
    let given = DocumentBody::new(
        "tasks",
        None,
        json!([{ "type": "todo" }, { "type": "todo" }, { "type": "todo" }]),
    );
    let (replica, _written) = replica.replace_body(&given.unwrap(), &bounds());
    let replica = replica.unwrap();
    assert_eq!(
        shown(&replica, "tasks"),
        json!([{ "type": "todo" }, { "type": "todo" }, { "type": "todo" }])
    );
    let settings = json!({ "type": "doc", "content": [] });
    let given = DocumentBody::new("map", Some(BodyKind::Map), settings.clone()).unwrap();
    let (replica, _written) = replica.replace_body(&given, &bounds());
    let (replica, update) = replaced(replica.unwrap(), "map", settings.clone());
    assert_eq!((update, shown(&replica, "map")), (None, settings));
}

#[test]
fn members_that_nodes_of_xml_do_not_have_are_refused() {
    for (tree, place) in [
        (json!([{ "type": "todo", "done": false }]), "`body[0]`"),
        (
            json!([{ "type": "p", "content": [{ "type": "text", "text": "a", "bold": true }] }]),
            "`body[0].content[0]`",
        ),
    ] {
        let refused = refused("default", None, tree);
        assert!(refused.starts_with(place), "{refused}");
    }
}

#[test]
fn the_same_content_changes_nothing() {
    let tree = json!([paragraph("One"), paragraph("Two")]);
    let (replica, update) = replaced(of("default", tree.clone()), "default", tree);
    assert_eq!(update, None);
    // Also what JSON does not show: a mark whose name has a hash.
    let marked = edited(&replica, |fragment, txn| {
        let XmlOut::Element(first) = fragment.get(txn, 0).unwrap() else { panic!() };
        let XmlOut::Text(text) = first.get(txn, 0).unwrap() else { panic!() };
        let comment = yrs::Any::Map(Arc::new([("id".to_owned(), 7.into())].into()));
        text.format(txn, 0, 3, [("comment--AbCd1234".into(), comment)].into());
    });
    let replica = merged(replica, &[marked]);
    let tree = shown(&replica, "default");
    assert_eq!(tree[0]["content"][0]["marks"][0]["type"], "comment");
    let (_, update) = replaced(replica, "default", tree);
    assert_eq!(update, None);
}

#[test]
fn what_others_write_meanwhile_survives() {
    let old = of("default", json!([paragraph("One"), paragraph("Two words"), paragraph("Three")]));
    let typed = edited(&old, |fragment, txn| {
        let XmlOut::Element(second) = fragment.get(txn, 1).unwrap() else { panic!() };
        let XmlOut::Text(text) = second.get(txn, 0).unwrap() else { panic!() };
        text.insert(txn, 3, " nice");
        fragment.insert(txn, 3, XmlElementPrelim::empty("rule"));
    });
    // A paragraph comes first, the second one gets an attribute and a word, and the third one goes.
    let new = json!([
        paragraph("Zero"),
        paragraph("One"),
        { "type": "paragraph", "attrs": { "align": "left" }, "content": [{ "type": "text", "text": "Two words more" }] },
    ]);
    let (_, update) = replaced(copy(&old), "default", new);
    let merged = merged(old, &[typed, update.unwrap()]);
    let expected = json!([
        paragraph("Zero"),
        paragraph("One"),
        { "type": "paragraph", "attrs": { "align": "left" }, "content": [{ "type": "text", "text": "Two nice words more" }] },
        { "type": "rule" },
    ]);
    assert_eq!(shown(&merged, "default"), expected);
}

#[test]
fn shared_types_in_maps_and_lists_stay() {
    let doc = Doc::with_client_id(9_u64);
    {
        let map = doc.get_or_insert_map("map");
        let mut txn = doc.transact_mut();
        let inner = yrs::MapPrelim::from([("x", 1)]);
        yrs::Map::insert(&map, &mut txn, "inner", inner);
    }
    let state = doc.transact().encode_state_as_update_v1(&StateVector::default());
    let replica = merged(Replica::of(""), &[state.into()]);
    let (replica, _) = replaced(replica, "map", json!({ "inner": { "x": 2 }, "new": {} }));
    assert_eq!(shown(&replica, "map"), json!({ "inner": { "x": 2 }, "new": {} }));
    // The editor who has the inner map writes into it.
    let inner = yrs::Map::get(&doc.get_or_insert_map("map"), &doc.transact(), "inner").unwrap();
    let yrs::Out::YMap(inner) = inner else { panic!() };
    let typed: Bytes = {
        let mut txn = doc.transact_mut();
        yrs::Map::insert(&inner, &mut txn, "y", 3);
        txn.commit();
        txn.encode_update_v1().into()
    };
    assert_eq!(shown(&merged(replica, &[typed]), "map")["inner"], json!({ "x": 2, "y": 3 }));
}

#[test]
fn a_wrong_tree_is_refused_with_its_place() {
    let nested = json!({ "type": "doc", "content": [{ "type": "p", "content": [{ "type": "text", "text": 1 }] }] });
    assert_eq!(refused("x", None, nested), "`body.content[0].content[0].text` is not a string");
    let marks = json!([{ "type": "image", "marks": [{ "type": "bold" }] }]);
    assert!(refused("x", None, marks).starts_with("`body[0].marks` are on a node"));
    let attributes = json!([{ "type": "p", "content": [
        { "type": "text", "text": "a", "attrs": { "lang": "en" } },
    ] }]);
    let attributes = refused("x", None, attributes);
    assert!(attributes.starts_with("`body[0].content[0].attrs` are on a text"), "{attributes}");
    let empty = json!([{ "type": "text", "text": "a", "attrs": { "lang": null } }]);
    assert!(DocumentBody::new("x", None, empty).is_ok());
    let mark = json!({ "type": "link", "href": "/" });
    let mark =
        json!([{ "type": "p", "content": [{ "type": "text", "text": "a", "marks": [mark] }] }]);
    let mark = refused("x", None, mark);
    assert!(mark.starts_with("`body[0].content[0].marks[0]` has the member \"href\""), "{mark}");
    let steps = refused("x", None, json!({ "ops": [{ "insert": "a" }], "title": "b" }));
    assert!(steps.contains("has the member \"title\" beside `ops`"), "{steps}");
    assert!(refused("x", Some(BodyKind::Map), json!([])).contains("is not an object"));
    assert!(refused("x", Some(BodyKind::Text), json!([{ "retain": 1 }])).starts_with("`body[0]`"));
    assert!(refused("content", None, json!({ "type": "doc" })).contains("always a text"));
    assert!(refused("coscribe", None, json!({})).contains("root type"));
    let deep = (0..200).fold(json!([]), |inner, _| json!([{ "type": "p", "content": inner }]));
    assert!(refused("x", None, deep).contains("levels deep"));
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just("one"), Just("two "), Just("🎈"), Just("three three"), Just("é\n")]
        .prop_map(str::to_owned)
}

fn run() -> impl Strategy<Value = Value> {
    let mark = prop_oneof![
        Just(json!({ "type": "bold" })),
        Just(json!({ "type": "link", "attrs": { "href": "/" } })),
    ];
    (word(), proptest::option::of(mark)).prop_map(|(text, mark)| match mark {
        Some(mark) => json!({ "type": "text", "marks": [mark], "text": text }),
        None => json!({ "type": "text", "text": text }),
    })
}

fn block() -> impl Strategy<Value = Value> {
    let leaf =
        (prop_oneof![Just("paragraph"), Just("heading")], proptest::collection::vec(run(), 0..4))
            .prop_map(|(kind, runs)| node(kind, runs));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let children = proptest::collection::vec(inner, 1..3);
        (prop_oneof![Just("list"), Just("quote")], children).prop_map(|(kind, all)| node(kind, all))
    })
}

/// Returns a node, with text that has the same marks joined.
fn node(kind: &str, content: Vec<Value>) -> Value {
    let mut joined: Vec<Value> = vec![];
    for next in content {
        match joined.last_mut() {
            Some(last)
                if last["type"] == "text"
                    && next["type"] == "text"
                    && last.get("marks") == next.get("marks") =>
            {
                let text =
                    format!("{}{}", last["text"].as_str().unwrap(), next["text"].as_str().unwrap());
                last["text"] = text.into();
            }
            _ => joined.push(next),
        }
    }
    match joined.is_empty() {
        true => json!({ "type": kind }),
        false => json!({ "type": kind, "content": joined }),
    }
}

proptest! {
    /// From any tree to any other one, and an editor who adds a block meanwhile does not lose it.
    #[test]
    fn any_tree_replaces_any_other(
        old in proptest::collection::vec(block(), 0..5),
        new in proptest::collection::vec(block(), 1..5),
    ) {
        let replica = of("default", json!({ "type": "doc", "content": old }));
        let added = edited(&replica, |fragment, txn| {
            fragment.insert(txn, 0, XmlElementPrelim::empty("added"));
        });
        let tree = json!({ "type": "doc", "content": new });
        let (written, update) = replaced(copy(&replica), "default", tree.clone());
        prop_assert_eq!(shown(&written, "default"), json!(new));
        let (_, again) = replaced(written, "default", tree);
        prop_assert_eq!(again, None);
        if let Some(update) = update {
            let shown = shown(&merged(replica, &[added, update]), "default");
            let blocks = shown.as_array().unwrap();
            prop_assert_eq!(blocks.iter().filter(|block| block["type"] == "added").count(), 1);
            let others: Vec<_> = blocks.iter().filter(|block| block["type"] != "added").cloned().collect();
            prop_assert_eq!(others, new);
        }
    }
}
