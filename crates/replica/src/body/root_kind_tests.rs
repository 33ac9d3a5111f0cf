//! What a root type is, and what it becomes.

use serde_json::json;
use yrs::{
    Array as _, Map as _, MapPrelim, Text as _, Transact as _, WriteTxn as _, types::text::YChange,
};

use super::{
    shared_types_tests::{object, push, replaced, shown, stays},
    *,
};
use crate::editors::{bounds, copy, edited};

#[test]
fn a_root_type_with_content_needs_no_kind() {
    let todo = json!([{ "type": "todo", "done": false }]);
    let unknown = DocumentBody::new("tasks", None, todo.clone()).unwrap();
    let refused = Replica::of("").replace_body(&unknown, &bounds()).1.err().unwrap();
    assert!(matches!(refused, RestoreError::Mismatch(_)), "{refused}");
    assert!(refused.to_string().starts_with("`body[0]` has the member \"done\""), "{refused}");
    let replica = edited(&Replica::of(""), 1, |txn| {
        let tasks = txn.get_or_insert_array("tasks");
        tasks.push_back(txn, MapPrelim::from([("title", "First")]));
    });
    let (after, _) = replaced(&replica, "tasks", todo.clone());
    assert_eq!(shown(&after, "tasks"), todo);
}

#[test]
fn a_root_type_becomes_a_text_or_a_list() {
    let list = edited(&Replica::of(""), 1, |txn| {
        let list = txn.get_or_insert_array("root");
        list.push_back(txn, object(&json!({ "image": "x" })));
    });
    let text = edited(&Replica::of(""), 1, |txn| {
        let text = txn.get_or_insert_text("root");
        text.insert(txn, 0, "Hello");
        text.insert_embed(txn, 5, object(&json!({ "image": "x" })));
    });
    let embed = json!({ "insert": { "image": "x" } });
    for (replica, kind, tree) in [
        (&list, BodyKind::Text, json!([embed, { "insert": "hi" }])),
        (&list, BodyKind::Text, json!([embed])),
        (&text, BodyKind::List, json!([{ "image": "x" }, 1])),
        (&text, BodyKind::List, json!([{ "image": "x" }])),
    ] {
        let body = DocumentBody::new("root", Some(kind), tree.clone()).unwrap();
        let (after, written) = copy(replica).replace_body(&body, &bounds());
        assert!(written.unwrap().is_some(), "{tree}");
        let after = after.unwrap();
        // A text does not show the values of a list.
        let root = after.doc.get_or_insert_text("root");
        let is_text = !root.diff(&after.doc.transact(), YChange::identity).is_empty();
        assert_eq!(is_text, kind == BodyKind::Text, "{tree}");
    }
}

#[test]
fn a_map_does_not_become_a_list_unless_it_is_told_to() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        txn.get_or_insert_map("settings").insert(txn, "a", 1);
    });
    for tree in [json!([1, 2]), json!([])] {
        let body = DocumentBody::new("settings", None, tree).unwrap();
        let refused = copy(&replica).replace_body(&body, &bounds()).1.err().unwrap();
        assert!(refused.to_string().contains("is not an object"), "{refused}");
    }
}

#[test]
fn a_text_without_characters_is_one() {
    let replica = edited(&Replica::of(""), 1, |txn| {
        txn.get_or_insert_text("root").insert_embed(txn, 0, object(&json!({ "image": 1 })));
    });
    assert_eq!(shown(&replica, "root"), json!([{ "insert": { "image": 1 } }]));
    stays(&replica, "root", push(json!({ "insert": "!" })));
    // The text `content` is emptied by no steps.
    let (empty, update) = replaced(&Replica::of("Hello"), "content", json!([]));
    assert!(update.is_some() && empty.content().bytes() == 0);
}
