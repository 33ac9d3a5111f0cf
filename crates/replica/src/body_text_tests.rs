use std::time::Duration;

use protocol::domain::Budget;
use serde_json::{Value, json};
use yrs::{
    Array as _, MapPrelim, TextPrelim, WriteTxn as _, Xml as _, XmlFragment as _, XmlTextPrelim,
};

use super::*;
use crate::{DocumentBody, MergeBounds};

/// Returns a document whose root type `root` has this content.
fn of(root: &str, json: Value) -> Replica {
    let bounds = MergeBounds {
        text: 100_000,
        state: 1_000_000,
        structs: 10_000,
        document_structs: usize::MAX,
        clients: 1_000,
        compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(5),
        budget: Budget::unlimited(),
    };
    let body = DocumentBody::new(root, None, json).unwrap();
    let (replica, written) = Replica::of("").replace_body(&body, &bounds);
    written.unwrap();
    replica.unwrap()
}

fn text_of(root: &str, json: Value) -> String {
    of(root, json).body_text(usize::MAX).unwrap()
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

#[test]
fn blocks_of_xml_are_lines_and_embeds_leave_nothing() {
    let tree = json!([
        { "type": "heading", "attrs": { "level": 1 }, "content": [text("Plan")] },
        { "type": "paragraph" },
        { "type": "paragraph", "content": [
            text("Ask "),
            { "type": "mention", "attrs": { "label": "Ana" } },
            { "type": "text", "marks": [{ "type": "bold" }], "text": "now" },
            { "type": "hardBreak" },
            text("or 🎈"),
        ] },
        { "type": "image", "attrs": { "alt": "A cat" } },
        { "type": "bulletList", "content": [
            { "type": "listItem", "content": [
                { "type": "paragraph", "content": [text("one")] },
                { "type": "bulletList", "content": [
                    { "type": "listItem", "content": [
                        { "type": "paragraph", "content": [text("two")] },
                    ] },
                ] },
            ] },
        ] },
    ]);
    assert_eq!(text_of("default", tree), "Plan\nAsk now\nor 🎈\none\ntwo");
    assert_eq!(text_of("default", json!([{ "type": "image" }])), "");
}

#[test]
fn the_body_is_the_text_content_if_it_has_text() {
    let steps =
        json!([{ "insert": "Hello " }, { "insert": { "image": "a.png" } }, { "insert": "Bob" }]);
    assert_eq!(text_of("content", steps), "Hello \u{fffc}Bob");
    assert_eq!(Replica::of("one\ntwo").body_text(7).unwrap(), "one\ntwo");
    assert_eq!(Replica::of("").body_text(0).unwrap(), "");
    let both = Replica::of("mine");
    let fragment = both.doc.get_or_insert_xml_fragment("default");
    fragment.insert(&mut both.doc.transact_mut(), 0, XmlTextPrelim::new("other"));
    assert_eq!(both.body_text(usize::MAX).unwrap(), "mine");
}

#[test]
fn a_tree_is_the_body_although_there_are_maps_and_lists() {
    let replica = of("default", json!([{ "type": "paragraph", "content": [text("Plan")] }]));
    let settings = replica.doc.get_or_insert_map("a settings");
    settings.insert(&mut replica.doc.transact_mut(), "note", TextPrelim::new("wide"));
    let notes = replica.doc.get_or_insert_array("a list of notes");
    notes.push_back(&mut replica.doc.transact_mut(), "seen");
    assert_eq!(replica.body_root(), "default");
    assert_eq!(replica.body_text(usize::MAX).unwrap(), "Plan");
}

#[test]
fn a_tree_has_the_text_if_content_is_empty() {
    let tree = |words: &str| json!([{ "type": "paragraph", "content": [text(words)] }]);
    assert_eq!(of("default", tree("Plan")).other_body().as_deref(), Some("default"));
    assert_eq!(of("default", json!([{ "type": "paragraph" }])).other_body(), None);
    assert_eq!(of("map", json!({ "theme": "dark" })).other_body(), None);
    // A title beside the text.
    assert_eq!(of("title", json!([{ "insert": "Plan" }])).other_body(), None);
    assert_eq!(Replica::of("mine").other_body(), None);
    assert_eq!(Replica::of("").other_body(), None);
}

#[test]
fn nodes_of_lexical_are_blocks_with_the_nodes_in_them() {
    let replica = Replica::of("");
    {
        let mut txn = replica.doc.transact_mut();
        let root = txn.get_or_insert_text("root");
        for (index, words) in ["See ", "Bye"].into_iter().enumerate() {
            let at = u32::try_from(index).unwrap();
            let paragraph = root.insert_embed(&mut txn, at, XmlTextPrelim::new(words));
            paragraph.insert_attribute(&mut txn, "__type", "paragraph");
        }
        let Out::YXmlText(first) = root.diff(&txn, YChange::identity).remove(0).insert else {
            panic!("a paragraph is XML text")
        };
        first.insert_embed(&mut txn, 0, MapPrelim::from([("__type", "text")]));
        let link = first.insert_embed(&mut txn, 5, XmlTextPrelim::new("this"));
        link.insert_attribute(&mut txn, "__type", "link");
        first.insert_embed(&mut txn, 6, MapPrelim::from([("__type", "linebreak")]));
        first.insert(&mut txn, 7, "line");
    }
    assert_eq!(replica.body_text(usize::MAX).unwrap(), "See this\nline\nBye");
}

#[test]
fn only_the_texts_in_maps_and_lists_are_text() {
    let replica = Replica::of("");
    {
        let map = replica.doc.get_or_insert_map("map");
        let mut txn = replica.doc.transact_mut();
        map.insert(&mut txn, "id", "x1");
        map.insert(&mut txn, "b", TextPrelim::new("second"));
        map.insert(&mut txn, "a", TextPrelim::new("first"));
    }
    assert_eq!(replica.body_text(usize::MAX).unwrap(), "first\nsecond");
    assert_eq!(text_of("list", json!([1, "two", { "three": 3 }])), "");
}

#[test]
fn a_text_that_is_too_long_is_not_written() {
    let tree = json!([{ "type": "paragraph", "content": [text("0123456789")] }]);
    let replica = of("default", tree);
    assert_eq!(replica.body_text(9), None);
    assert_eq!(replica.body_text(10).unwrap(), "0123456789");
}
