use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::domain::Budget;
use serde_json::{Value, json};
use yrs::{
    Any, Array as _, ArrayPrelim, GetString as _, In, Map as _, MapPrelim, Out, Text as _,
    TransactionMut, WriteTxn as _, Xml as _, XmlElementPrelim, XmlFragment as _, XmlOut,
    XmlTextPrelim, types::Attrs,
};

use super::*;
use crate::editors::{bold, bounds, copy, edited, editor};

/// Restores the content of `then`, and shows that the change brings it to all who have the document.
fn restored(present: Replica, then: &Replica) -> Replica {
    let peer = copy(&present);
    let (replica, restored) = present.restore(then, &bounds());
    let restored = restored.unwrap();
    let replica = replica.unwrap();
    assert_eq!(replica.content_json(), then.content_json());
    assert_eq!(replica.content(), then.content());
    let Some(Restored { delta, update }) = restored else {
        assert_eq!(peer.content_json(), then.content_json());
        return replica;
    };
    assert_eq!(peer.content().apply(&delta).unwrap(), *replica.content());
    let (peer, merged) = peer.merge(&[update], &bounds());
    assert_eq!(merged.unwrap().unwrap().delta, delta);
    assert_eq!(peer.unwrap().content_json(), then.content_json());
    replica
}

/// Adds a paragraph with this text at the end of the XML of a rich text editor.
fn add_paragraph(txn: &mut TransactionMut<'_>, text: &str) {
    let body = txn.get_or_insert_xml_fragment("default");
    let at = body.len(txn);
    let paragraph = body.insert(txn, at, XmlElementPrelim::empty("paragraph"));
    paragraph.insert(txn, 0, XmlTextPrelim::new(text));
}

#[test]
fn everything_in_a_document_comes_back() {
    let then = edited(&Replica::of("Hello world"), 1, |txn| {
        let text = txn.get_or_insert_text("content");
        text.format(txn, 0, 5, bold());
        let image = Any::from_json(r#"{ "image": "cat.png" }"#).unwrap();
        text.insert_embed(txn, 5, image);
        add_paragraph(txn, "First");
        let body = txn.get_or_insert_xml_fragment("default");
        let heading = body.insert(txn, 1, XmlElementPrelim::empty("heading"));
        // As the binding of ProseMirror: attributes keep their types.
        heading.insert_attribute(txn, "level", Any::from(2));
        let cells = txn.get_or_insert_map("cells");
        cells.insert(txn, "a1", 12.5);
        let row = cells.insert(txn, "row", ArrayPrelim::from(["x", "y"]));
        row.push_back(txn, MapPrelim::from([("deep", true)]));
        let list = txn.get_or_insert_array("list");
        list.insert_range(txn, 0, [1, 2, 3]);
    });
    let now = edited(&then, 2, |txn| {
        let text = txn.get_or_insert_text("content");
        text.remove_range(txn, 3, 4);
        text.format(txn, 0, 3, Attrs::from([("bold".into(), Any::Null)]));
        let body = txn.get_or_insert_xml_fragment("default");
        body.remove_range(txn, 0, 2);
        add_paragraph(txn, "Other");
        let cells = txn.get_or_insert_map("cells");
        cells.insert(txn, "a1", "gone");
        cells.remove(txn, "row");
        cells.insert(txn, "new", 1);
        let list = txn.get_or_insert_array("list");
        list.remove_range(txn, 1, 1);
        list.insert(txn, 0, MapPrelim::from([("n", 0)]));
        let later = txn.get_or_insert_text("later");
        later.insert(txn, 0, "A root that did not exist");
    });
    let before = copy(&now);
    let back = restored(now, &then);
    assert_eq!(back.content().to_string(), "Hello\u{FFFC} world");
    let again = restored(back, &before);
    restored(again, &then);
}

#[test]
fn what_stayed_is_the_same_item_and_what_others_write_there_survives() {
    let then = edited(&Replica::of(""), 1, |txn| {
        ["One", "Two", "Three"].into_iter().for_each(|text| add_paragraph(txn, text));
    });
    let now = edited(&then, 2, |txn| {
        let body = txn.get_or_insert_xml_fragment("default");
        body.remove_range(txn, 1, 1);
    });
    // One user writes into the first paragraph while another restores the version with the second.
    let doc = editor(&now, 3);
    let mut txn = doc.transact_mut();
    let body = txn.get_or_insert_xml_fragment("default");
    let Some(XmlOut::Element(first)) = body.get(&txn, 0) else { panic!() };
    let Some(XmlOut::Text(text)) = first.get(&txn, 0) else { panic!() };
    text.insert(&mut txn, 3, " and a half");
    txn.commit();
    let theirs: Bytes = txn.encode_update_v1().into();
    drop(txn);

    let back = restored(now, &then);
    let (merged, _) = back.merge(&[theirs], &bounds());
    let merged = editor(&merged.unwrap(), 4);
    let mut txn = merged.transact_mut();
    let body = txn.get_or_insert_xml_fragment("default");
    let expected = "<paragraph>One and a half</paragraph><paragraph>Two</paragraph>\
                    <paragraph>Three</paragraph>";
    assert_eq!(body.get_string(&txn), expected);
}

#[test]
fn nothing_is_written_if_nothing_differs() {
    let then = edited(&Replica::of("Same"), 1, |txn| add_paragraph(txn, "Same"));
    let (_, restored) = copy(&then).restore(&then, &bounds());
    assert!(restored.unwrap().is_none());
}

#[test]
fn what_cannot_be_written_again_is_an_error() {
    let now = edited(&Replica::of(""), 1, |txn| {
        txn.get_or_insert_map("mixed").insert(txn, "key", 1);
    });
    // A root type with both text and values, which no editor writes.
    let then = edited(&now, 2, |txn| {
        txn.get_or_insert_text("mixed").insert(txn, 0, "text");
        txn.get_or_insert_array("mixed").insert(txn, 4, 1);
    });
    let (replica, refused) = now.restore(&then, &bounds());
    let name = "mixed".to_owned();
    assert_eq!(refused.err(), Some(RestoreError::Unrestorable { name }));
    assert!(replica.is_none());
}

#[test]
fn an_embedded_string_is_no_text() {
    let empty = Replica::of("");
    // As long together as their text looks: the string as an object, and a value of a list.
    let odd = edited(&empty, 1, |txn| {
        let text = txn.get_or_insert_text("odd");
        text.insert_embed(txn, 0, Any::from("ab"));
        txn.get_or_insert_array("odd").insert(txn, 1, 1);
    });
    let name = "odd".to_owned();
    let refused = copy(&empty).restore(&odd, &bounds()).1;
    assert_eq!(refused.err(), Some(RestoreError::Unrestorable { name }));
    // It can be removed.
    restored(odd, &empty);
}

#[test]
fn a_text_that_differs_in_every_second_line_comes_back_soon() {
    let text = |odd: &str| -> String {
        (0..300_000).map(|line| if line % 2 == 0 { "abc\n" } else { odd }).collect()
    };
    // As on a server, the comparison becomes coarse after a few seconds.
    let compare_until = tokio::time::Instant::now().into_std() + Duration::from_secs(3);
    let bounds = MergeBounds { text: usize::MAX, compare_until, ..bounds() };
    let then = Replica::of(&text("def\n"));
    let now = edited(&then, 1, |txn| {
        let content = txn.get_or_insert_text("content");
        content.remove_range(txn, 0, 4 * 300_000);
        content.insert(txn, 0, &text("ghi\n"));
    });
    let begun = tokio::time::Instant::now();
    let (replica, restored) = now.restore(&then, &bounds);
    restored.unwrap().unwrap();
    assert_eq!(replica.unwrap().content(), then.content());
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_text_of_too_many_lines_is_refused_before_it_is_split() {
    let then = Replica::of(&"\n".repeat(3_000_000));
    let bounds = MergeBounds { text: usize::MAX, ..bounds() };
    let (_, refused) = Replica::of("x").restore(&then, &bounds);
    assert_eq!(refused.err(), Some(Exhausted::Steps.into()));
}

#[test]
fn limits_and_budgets_hold() {
    let then = edited(&Replica::of("Hello"), 1, |txn| add_paragraph(txn, &"x".repeat(2_000)));
    let now = edited(&then, 2, |txn| {
        txn.get_or_insert_xml_fragment("default").remove_range(txn, 0, 1);
        txn.get_or_insert_text("content").remove_range(txn, 0, 5);
    });
    let refused = |bounds: MergeBounds| copy(&now).restore(&then, &bounds).1.err().unwrap();
    let few_structs = MergeBounds { document_structs: 3, ..bounds() };
    let limit = 3;
    assert_eq!(refused(few_structs), MergeError::DocumentTooManyStructs { limit }.into());
    let small = MergeBounds { text: 4, ..bounds() };
    assert_eq!(refused(small), MergeError::TooLarge { size: 5, limit: 4 }.into());
    let poor = MergeBounds { budget: Budget::new(2), ..bounds() };
    assert_eq!(refused(poor), Exhausted::Steps.into());
}

#[test]
fn a_small_change_of_a_long_line_stays_small() {
    let line = "word ".repeat(400_000);
    let bounds = MergeBounds { text: usize::MAX, ..bounds() };
    for (first, second) in [(10, 1_000_000), (10, 40)] {
        let then = Replica::of(&line);
        let now = edited(&then, 1, |txn| {
            let text = txn.get_or_insert_text("content");
            text.remove_range(txn, second, 4);
            text.insert(txn, first, "new ");
        });
        let (replica, restored) = now.restore(&then, &bounds);
        let Restored { delta, update } = restored.unwrap().unwrap();
        assert_eq!(replica.unwrap().content(), then.content());
        // What lies between the two places is too long to be compared in the first case.
        let limit = if second > 1_000 { 1_100_000 } else { 200 };
        assert!(update.len() < limit, "{}", update.len());
        assert!(delta.weight() < 2 * limit, "{}", delta.weight());
    }
}

#[test]
fn a_long_document_comes_back_soon() {
    let lines: String = (0..100_000).map(|line| format!("This is line {line}.\n")).collect();
    let bounds = MergeBounds { text: usize::MAX, ..bounds() };
    let then = edited(&Replica::of(&lines), 1, |txn| {
        let text = txn.get_or_insert_text("content");
        text.format(txn, 0, 1_000, bold());
    });
    let now = edited(&then, 2, |txn| {
        let text = txn.get_or_insert_text("content");
        let length = text.len(txn);
        text.remove_range(txn, 0, length);
    });
    let begun = tokio::time::Instant::now();
    let (replica, restored) = now.restore(&then, &bounds);
    restored.unwrap().unwrap();
    assert_eq!(replica.unwrap().content(), then.content());
    // A cost that grew with the square of the lines would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn what_the_earlier_version_lacks_need_not_be_written_again() {
    let then = Replica::of("Hello");
    let now = edited(&then, 1, |txn| {
        let text = txn.get_or_insert_text("mixed");
        text.insert(txn, 0, "a🎈b");
        text.insert_embed(txn, 2, Any::from(true));
        text.format(txn, 0, 2, bold());
        let list = txn.get_or_insert_array("mixed");
        list.push_back(txn, 7);
        list.push_back(txn, MapPrelim::from([("x", "y")]));
        list.push_back(txn, "a string");
    });
    let back = restored(now, &then);
    assert_eq!(back.root_json("mixed"), None);
}

/// A change that an editor makes, as numbers that choose what it does and where.
type Choice = (u8, u16, u16);

fn apply(txn: &mut TransactionMut<'_>, (what, at, more): Choice) {
    let text = txn.get_or_insert_text("content");
    let length = text.len(txn);
    let place = |length: u32| u32::from(at) % (length + 1);
    let words = ["Hello ", "🎈", "the end", "\n", "e\u{301}", "x"];
    let word = words[usize::from(more) % words.len()];
    let key = ["a", "b", "c"][usize::from(at) % 3];
    match what % 12 {
        0 | 1 => text.insert(txn, 0, word),
        2 => text.insert(txn, length, word),
        3 if length > 0 => {
            // Words begin and end whole here, so no character is split.
            text.remove_range(txn, 0, length);
        }
        4 if length > 0 => {
            let value = if more % 2 == 0 { Any::from(true) } else { Any::Null };
            text.format(txn, 0, length, Attrs::from([(key.into(), value)]));
        }
        5 => {
            let image = Any::from_json(&json!({ "image": more }).to_string()).unwrap();
            text.insert_embed(txn, 0, image);
        }
        6 => {
            let body = txn.get_or_insert_xml_fragment("default");
            let at = place(body.len(txn));
            let block = body.insert(txn, at, XmlElementPrelim::empty(key));
            block.insert_attribute(txn, "level", Any::from(i64::from(more % 3)));
            let inner = block.insert(txn, 0, XmlTextPrelim::new(word));
            inner.format(txn, 0, 1, Attrs::from([("strong".into(), true.into())]));
        }
        7 => {
            let body = txn.get_or_insert_xml_fragment("default");
            if body.len(txn) > 0 {
                body.remove_range(txn, place(body.len(txn) - 1), 1);
            }
        }
        8 => {
            let body = txn.get_or_insert_xml_fragment("default");
            if let Some(XmlOut::Element(block)) = body.get(txn, place(body.len(txn))) {
                if let Some(XmlOut::Text(inner)) = block.get(txn, 0) {
                    inner.insert(txn, 0, word);
                }
                block.insert_attribute(txn, key, Any::from(word));
            }
        }
        9 => {
            let map = txn.get_or_insert_map("cells");
            match more % 4 {
                0 => drop(map.insert(txn, key, i64::from(more))),
                1 => drop(map.insert(txn, key, MapPrelim::from([("inner", word)]))),
                2 => drop(map.remove(txn, key)),
                _ => {
                    if let Some(Out::YMap(inner)) = map.get(txn, key) {
                        inner.insert(txn, word, In::Array(ArrayPrelim::from([1, 2])));
                    }
                }
            }
        }
        10 => {
            let list = txn.get_or_insert_array("list");
            let at = place(list.len(txn));
            list.insert(txn, at, i64::from(more % 5));
        }
        _ => {
            let list = txn.get_or_insert_array("list");
            if list.len(txn) > 0 {
                list.remove_range(txn, place(list.len(txn) - 1), 1);
            }
        }
    }
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(any::<Choice>(), 1..40)
}

/// Three users write one after the other. Then the versions are restored one after the other.
fn versions_come_back(first: &[Choice], later: &[Choice], last: &[Choice]) {
    let write = |replica, client, choices: &[Choice]| {
        edited(&replica, client, |txn| choices.iter().for_each(|choice| apply(txn, *choice)))
    };
    let one = write(Replica::of("Begin"), 1, first);
    let two = write(copy(&one), 2, later);
    let three = write(copy(&two), 3, last);
    let shown: Value = three.content_json();
    let kept = copy(&three);
    let back = restored(three, &one);
    let back = restored(back, &two);
    let back = restored(back, &kept);
    assert_eq!(back.content_json(), shown);
}

/// The library reports the end of a format where there was none, beside text that was deleted with its formats.
#[test]
fn the_end_of_a_format_that_no_text_has_is_no_change() {
    versions_come_back(
        &[(12, 0, 9888), (17, 0, 0), (28, 0, 33493)],
        &[(110, 0, 44283), (90, 0, 0)],
        &[(87, 0, 0), (0, 0, 25008), (0, 0, 32812), (52, 0, 0), (132, 0, 19101), (2, 0, 7960)],
    );
}

proptest! {
    #[test]
    fn any_document_comes_back(first in choices(), later in choices(), last in choices()) {
        versions_come_back(&first, &later, &last);
    }
}
