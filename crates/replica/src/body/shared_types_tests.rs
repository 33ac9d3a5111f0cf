//! What JSON does not show stays when a tree is sent back: shared types, binary data, large integers, attributes that are null.

use std::sync::Arc;

use serde_json::{Value, json};
use yrs::{
    Any, Array as _, ArrayPrelim, In, Map as _, MapPrelim, MapRef, Out, Text as _, Transact as _,
    TransactionMut, Update, WriteTxn as _, Xml as _, XmlElementPrelim, XmlFragment as _,
    XmlFragmentPrelim, XmlTextPrelim,
    any::Number,
    types::xml::XmlIn,
    types::{Attrs, text::TextPrelim},
    updates::decoder::Decode as _,
};

use super::*;
use crate::editors::{bold, bounds, copy, edited, editor, update_of};

/// Replaces the content of a root type. Returns the update; `None` if nothing changed.
pub(super) fn replaced(replica: &Replica, root: &str, json: Value) -> (Replica, Option<Update>) {
    let body = DocumentBody::new(root, None, json).unwrap();
    let (replica, restored) = copy(replica).replace_body(&body, &bounds());
    let update = restored.unwrap().map(|restored| Update::decode_v1(&restored.update).unwrap());
    (replica.unwrap(), update)
}

pub(super) fn shown(replica: &Replica, root: &str) -> Value {
    replica.root_json(root).unwrap_or_default()
}

/// Sends a root type back as it is shown, and with one addition. That changes nothing, and deletes nothing.
pub(super) fn stays(replica: &Replica, root: &str, add: impl FnOnce(&mut Value)) {
    let mut tree = shown(replica, root);
    let (_, update) = replaced(replica, root, tree.clone());
    assert!(update.is_none(), "{root}: {tree}: {update:?}");
    add(&mut tree);
    let (after, update) = replaced(replica, root, tree.clone());
    assert_eq!(shown(&after, root), tree);
    let update = update.unwrap();
    assert!(update.delete_set().is_empty(), "{root}: {tree}: {update:?}");
    let (_, again) = replaced(&after, root, tree);
    assert!(again.is_none());
}

pub(super) fn push(value: Value) -> impl FnOnce(&mut Value) {
    move |tree| tree.as_array_mut().unwrap().push(value)
}

pub(super) fn insert(key: &str, value: Value) -> impl FnOnce(&mut Value) {
    move |tree| drop(tree.as_object_mut().unwrap().insert(key.to_owned(), value))
}

pub(super) fn large() -> Any {
    Any::Number(Number::Int(9_007_199_254_740_993))
}

pub(super) fn bytes() -> Any {
    Any::Buffer([1, 2, 3].into())
}

pub(super) fn object(json: &Value) -> Any {
    Any::from_json(&json.to_string()).unwrap()
}

pub(super) fn fragment(names: impl IntoIterator<Item = &'static str>) -> XmlFragmentPrelim {
    let elements = names.into_iter().map(|name| XmlIn::from(XmlElementPrelim::empty(name)));
    XmlFragmentPrelim::new::<_, XmlElementPrelim>(elements)
}

#[test]
fn values_that_json_does_not_have_stay() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "title", "Plan");
        map.insert(txn, "anchor", bytes());
        map.insert(txn, "count", large());
        map.insert(txn, "nothing", Any::Undefined);
        map.insert(txn, "none", Any::from(f64::NAN));
        map.insert(txn, "deep", Any::Array([bytes(), Any::from(2.0)].into()));
        let list = txn.get_or_insert_array("list");
        list.insert_range(txn, 0, [bytes(), large(), Any::from(2.0), Any::Undefined]);
        let text = txn.get_or_insert_text("text");
        text.insert(txn, 0, "Hello");
        text.insert_embed(txn, 2, Any::Map(Arc::new([("data".to_owned(), bytes())].into())));
    });
    stays(&replica, "map", insert("added", json!(1)));
    stays(&replica, "list", push(json!("added")));
    stays(&replica, "text", push(json!({ "insert": { "image": 1 } })));
}

#[test]
fn shared_types_in_lists_and_maps_stay() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let texts = txn.get_or_insert_array("texts");
        texts.push_back(txn, TextPrelim::new("a"));
        texts.push_back(txn, TextPrelim::new("b"));
        let blocks = txn.get_or_insert_array("blocks");
        blocks.push_back(txn, MapPrelim::from([("kind", "image")]));
        let note = blocks.push_back(txn, MapPrelim::default());
        note.insert(txn, "note", TextPrelim::new("typed"));
        blocks.push_back(txn, object(&json!({ "plain": { "note": [] } })));
        let text = txn.get_or_insert_text("text");
        text.insert(txn, 0, "Hello");
        let embedded = text.insert_embed(txn, 5, MapPrelim::from([("src", "a.png")]));
        embedded.insert(txn, "size", ArrayPrelim::from([1, 2]));
        let map = txn.get_or_insert_map("map");
        let hidden = map.insert(txn, "hidden", TextPrelim::new(""));
        let hidden = MapRef::from(BranchPtr::from(AsRef::<Branch>::as_ref(&hidden)));
        hidden.insert(txn, "lang", "en");
        map.insert(txn, "empty", ArrayPrelim::default());
        map.insert(txn, "page", fragment(["p"]));
        map.insert(txn, "title", XmlTextPrelim::new("x"));
    });
    stays(&replica, "texts", push(json!([{ "insert": "c" }])));
    stays(&replica, "blocks", push(json!({ "note": [{ "insert": "new" }] })));
    stays(&replica, "text", push(json!({ "insert": "!", "attributes": { "bold": true } })));
    stays(&replica, "map", insert("added", json!([{ "insert": "c" }])));
    stays(&replica, "map", |tree| {
        let page = tree["page"].as_array_mut().unwrap();
        page.push(json!({ "type": "p", "content": [{ "type": "text", "text": "More" }] }));
    });
    // A block that is added has the shared types of the others.
    let mut tree = shown(&replica, "blocks");
    tree.as_array_mut().unwrap().push(json!({ "note": [{ "insert": "new" }] }));
    let (after, _) = replaced(&replica, "blocks", tree);
    let doc = editor(&after, 2);
    let blocks = doc.get_or_insert_array("blocks");
    let Some(Out::YMap(block)) = blocks.get(&doc.transact(), 3) else { panic!("no map") };
    assert!(matches!(block.get(&doc.transact(), "note"), Some(Out::YText(_))));
}

#[test]
fn a_text_in_a_list_keeps_what_others_type() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let blocks = txn.get_or_insert_array("blocks");
        blocks.push_back(txn, MapPrelim::from([("kind", "image")]));
        let note = blocks.push_back(txn, MapPrelim::default());
        note.insert(txn, "note", TextPrelim::new("one two"));
    });
    let typed = {
        let doc = editor(&replica, 2);
        let blocks = doc.get_or_insert_array("blocks");
        update_of(&doc, |txn| {
            let Some(Out::YMap(block)) = blocks.get(txn, 1) else { panic!("no map") };
            let Some(Out::YText(note)) = block.get(txn, "note") else { panic!("no text") };
            note.insert(txn, 3, " typed");
        })
    };
    let mut tree = shown(&replica, "blocks");
    tree[0]["kind"] = "video".into();
    tree[1]["note"] = json!([{ "insert": "one two three" }]);
    let (after, _) = replaced(&replica, "blocks", tree.clone());
    let (after, merged) = after.merge(&[typed], &bounds());
    merged.unwrap();
    tree[1]["note"] = json!([{ "insert": "one typed two three" }]);
    assert_eq!(shown(&after.unwrap(), "blocks"), tree);
}

/// As an editor that keeps its text nodes as maps in XML texts, and attributes on the root type.
fn rich(txn: &mut TransactionMut<'_>) {
    let root = txn.get_or_insert_xml_fragment("root");
    let root = yrs::XmlTextRef::from(BranchPtr::from(AsRef::<Branch>::as_ref(&root)));
    root.insert_attribute(txn, "__dir", Any::Null);
    for text in ["One", "Two"] {
        let end = root.len(txn);
        let block = root.insert_embed(txn, end, XmlTextPrelim::new(""));
        block.insert_attribute(txn, "__type", "paragraph");
        block.insert_attribute(txn, "__dir", Any::Null);
        block.insert_attribute(txn, "__state", MapPrelim::from([("color", "red")]));
        block.insert_embed(txn, 0, MapPrelim::from([("__type", "text")]));
        block.insert(txn, 1, text);
    }
}

#[test]
fn a_root_type_keeps_its_attributes_and_those_in_it() {
    let replica = edited(&Replica::of(""), 1, rich);
    let tree = shown(&replica, "root");
    assert_eq!(tree["attrs"], json!({ "__dir": null }));
    let block = json!({
        "attrs": { "__type": "paragraph", "__state": { "color": "blue" } },
        "content": [{ "__type": "text" }, { "type": "text", "text": "Three" }],
    });
    stays(&replica, "root", {
        let block = block.clone();
        |tree| tree["content"].as_array_mut().unwrap().push(block)
    });
    // The nodes alone say nothing about the attributes of the root type.
    let mut nodes = tree["content"].clone();
    nodes.as_array_mut().unwrap().push(block);
    let (after, update) = replaced(&replica, "root", nodes);
    assert!(update.unwrap().delete_set().is_empty());
    assert_eq!(shown(&after, "root")["attrs"], tree["attrs"]);
    // A new document gets the same content, and the attributes can be replaced.
    let (copied, _) = replaced(&Replica::of(""), "root", tree.clone());
    let mut expected = tree.clone();
    for block in expected["content"].as_array_mut().unwrap() {
        block["attrs"].as_object_mut().unwrap().remove("__dir");
    }
    assert_eq!(shown(&copied, "root"), expected);
    let mut renamed = tree;
    renamed["attrs"] = json!({ "__dir": "ltr" });
    let (after, _) = replaced(&replica, "root", renamed.clone());
    assert_eq!(shown(&after, "root"), renamed);
}

#[test]
fn null_attributes_may_be_left_out() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let body = txn.get_or_insert_xml_fragment("xml");
        for text in ["One", "Two"] {
            let block = body.push_back(txn, XmlElementPrelim::empty("p"));
            block.insert_attribute(txn, "align", Any::Null);
            block.push_back(txn, XmlTextPrelim::new(text));
        }
    });
    let without = json!([
        { "type": "p", "content": [{ "type": "text", "text": "One" }] },
        { "type": "p", "content": [{ "type": "text", "text": "Two" }] },
    ]);
    assert!(replaced(&replica, "xml", without).1.is_none());
    stays(&replica, "xml", push(json!({ "type": "hr" })));
}

#[test]
fn xml_beside_maps_stays_what_it_is() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let list = txn.get_or_insert_array("list");
        list.push_back(txn, XmlElementPrelim::empty("p"));
        let done = MapPrelim::from([("type", In::from("todo")), ("done", In::from(true))]);
        list.push_back(txn, done);
        let xml = txn.get_or_insert_xml_fragment("xml");
        let first = xml.push_back(txn, XmlElementPrelim::empty("p"));
        first.insert_attribute(txn, "note", TextPrelim::new("shared"));
        let second = xml.push_back(txn, XmlElementPrelim::empty("p"));
        second.insert_attribute(txn, "note", object(&json!([1, 2])));
    });
    stays(&replica, "list", push(json!(1)));
    stays(&replica, "xml", push(json!({ "type": "p" })));
}

/// JSON does not say which of these a document has, so nothing is written instead of something else.
#[test]
fn what_json_does_not_show_completely_is_not_replaced() {
    let documents: [fn(&mut TransactionMut<'_>); 6] = [
        |txn| {
            let list = txn.get_or_insert_array("root");
            list.push_back(txn, MapPrelim::from([("type", "todo")]));
            list.push_back(txn, XmlElementPrelim::empty("p"));
        },
        |txn| {
            let list = txn.get_or_insert_array("root");
            list.push_back(txn, MapPrelim::from([("k", 1)]));
            list.push_back(txn, XmlTextPrelim::new("hello"));
        },
        |txn| {
            let root = txn.get_or_insert_xml_fragment("root");
            let p = root.push_back(txn, XmlElementPrelim::empty("p"));
            let text = p.push_back(txn, XmlTextPrelim::new("ab"));
            text.insert_embed(txn, 1, TextPrelim::new("inner"));
        },
        |txn| {
            let root = txn.get_or_insert_xml_fragment("root");
            let p = root.push_back(txn, XmlElementPrelim::empty("p"));
            let text = p.push_back(txn, XmlTextPrelim::new("ab"));
            text.insert_embed_with_attributes(txn, 1, object(&json!({ "image": 1 })), bold());
        },
        |txn| {
            let root = txn.get_or_insert_xml_fragment("root");
            let p = root.push_back(txn, XmlElementPrelim::empty("p"));
            let text = p.push_back(txn, XmlTextPrelim::new("ab"));
            text.insert_attribute(txn, "__type", "block");
            text.insert_embed(txn, 1, MapPrelim::from([("type", "x")]));
        },
        |txn| {
            let list = txn.get_or_insert_array("root");
            list.push_back(txn, ArrayPrelim::default());
            list.push_back(txn, fragment([]));
        },
    ];
    for (index, write) in documents.into_iter().enumerate() {
        let replica = edited(&Replica::of(""), 1, write);
        let mut tree = shown(&replica, "root");
        for _ in 0..2 {
            let body = DocumentBody::new("root", None, tree.clone()).unwrap();
            let refused = copy(&replica).replace_body(&body, &bounds()).1.err();
            assert_eq!(
                refused,
                Some(RestoreError::Unrestorable { name: "root".to_owned() }),
                "{index}: {tree}"
            );
            tree.as_array_mut().unwrap().push(json!({ "type": "p" }));
        }
    }
}

#[test]
fn json_shows_what_is_in_xml_behind_other_types() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let root = txn.get_or_insert_xml_fragment("root");
        let p = root.push_back(txn, XmlElementPrelim::empty("p"));
        let children = yrs::ArrayRef::from(BranchPtr::from(AsRef::<Branch>::as_ref(&p)));
        children.push_back(txn, XmlTextPrelim::new("a"));
        children.push_back(txn, MapPrelim::from([("k", 1)]));
        children.push_back(txn, XmlTextPrelim::new("b"));
        children.push_back(txn, XmlElementPrelim::empty("q"));
    });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let content = json!([text("a"), { "k": 1 }, text("b"), { "type": "q" }]);
    assert_eq!(shown(&replica, "root"), json!([{ "type": "p", "content": content }]));
    stays(&replica, "root", push(json!({ "type": "p" })));
}

#[test]
fn marks_with_the_same_json_are_the_same() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let root = txn.get_or_insert_xml_fragment("root");
        let p = root.push_back(txn, XmlElementPrelim::empty("p"));
        let text = p.push_back(txn, XmlTextPrelim::new("abc"));
        text.format(txn, 0, 1, bold());
        text.format(txn, 1, 1, Attrs::from([("bold".into(), object(&json!({})))]));
        text.format(txn, 2, 1, Attrs::from([("bold--AAAAAAAA".into(), "x".into())]));
    });
    let tree = shown(&replica, "root");
    assert!(replaced(&replica, "root", tree).1.is_none());
}

#[test]
fn formats_of_embedded_types_change() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let text = txn.get_or_insert_text("root");
        text.insert(txn, 0, "ab");
        text.insert_embed_with_attributes(txn, 1, XmlTextPrelim::new("x"), bold());
    });
    let mut tree = shown(&replica, "root");
    tree[1].as_object_mut().unwrap().remove("attributes");
    let (after, _) = replaced(&replica, "root", tree.clone());
    assert_eq!(shown(&after, "root"), tree);
}

#[test]
fn two_marks_of_a_kind_on_one_text_stay_two() {
    let comment = |id: i64| json!({ "type": "comment", "attrs": { "id": id } });
    let text =
        |text: &str, marks: Vec<Value>| json!({ "type": "text", "text": text, "marks": marks });
    let tree = json!([{ "type": "p", "content": [text("a", vec![comment(1)]), text("b", vec![comment(2)])] }]);
    let (replica, _) = replaced(&Replica::of(""), "xml", tree);
    let both = json!([{ "type": "p", "content": [text("a", vec![comment(1), comment(2)])] }]);
    let (replica, _) = replaced(&replica, "xml", both.clone());
    assert_eq!(shown(&replica, "xml"), both);
}
