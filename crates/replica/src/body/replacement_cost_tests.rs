//! What a replacement may cost.

use protocol::domain::{Budget, Exhausted};
use serde_json::{Value, json};
use yrs::{
    Any, Array as _, ArrayPrelim, Text as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _,
    types::Attrs,
};

use super::{
    shared_types_tests::{replaced, shown},
    *,
};
use crate::editors::{bold, bounds, edited};

#[test]
fn long_formats_of_many_pieces_spend_the_budget() {
    let long = Any::from("x".repeat(100_000).as_str());
    let replica = edited(&Replica::of(""), 1, |txn| {
        let text = txn.get_or_insert_text("text");
        for at in 0..200 {
            text.insert(txn, at, "x");
        }
        text.format(txn, 0, 200, Attrs::from([("comment".into(), long)]));
        for at in (0..200).step_by(2) {
            text.format(txn, at, 1, bold());
        }
    });
    let body = DocumentBody::new("text", None, json!([{ "insert": "y" }])).unwrap();
    let poor = MergeBounds { budget: Budget::new(100_000), ..bounds() };
    let refused = replica.replace_body(&body, &poor).1.err();
    assert_eq!(refused, Some(RestoreError::Exhausted(Exhausted::Steps)));
}

#[test]
fn objects_in_xml_are_read_once() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        let body = txn.get_or_insert_xml_fragment("xml");
        for _ in 0..20_000 {
            body.push_back(txn, XmlElementPrelim::empty("p"));
        }
    });
    let objects: Vec<Value> = (0..20_000).map(|_| json!({})).collect();
    let tree = json!([{ "type": "p", "content": objects }]);
    let begun = tokio::time::Instant::now();
    let (_, update) = replaced(&replica, "xml", tree);
    assert!(update.is_some());
    // A cost that grew with the product of both would take minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// What each level keeps while those below it are written must not add up.
#[test]
fn deep_lists_take_memory_for_their_content_once() {
    let values = |count: usize| -> Value { (0..count).map(Value::from).collect() };
    let nested = |inner: Value| (0..80).fold(inner, |inner, _| json!([inner]));
    let replica = edited(&Replica::of(""), 1, |txn| {
        let mut list = txn.get_or_insert_array("list");
        for _ in 0..80 {
            list = list.push_back(txn, ArrayPrelim::default());
        }
        list.push_back(txn, 1);
    });
    let (after, _) = replaced(&replica, "list", nested(values(50_000)));
    assert_eq!(shown(&after, "list"), nested(values(50_000)));
}
