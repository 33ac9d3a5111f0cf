//! The content of a document as JSON.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

use std::{collections::HashMap, sync::Arc};

use protocol::domain::Budget;
use replica::Replica;
use serde_json::json;
use yrs::{
    Any, Doc, Map as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _, Transact as _,
    Update, XmlElementPrelim, XmlFragment as _, updates::decoder::Decode as _,
};

#[test]
fn a_plain_text_is_one_step() {
    let shown = |text: &str| Replica::of(text).content_json();
    assert_eq!(shown("Hello 🎈"), json!({ "ops": [{ "insert": "Hello 🎈" }] }));
    assert_eq!(shown(""), json!({ "ops": [] }));
}

#[test]
fn formats_objects_and_other_types_are_shown() {
    let mut options = Options::with_client_id(yrs::ClientID::new(7));
    options.offset_kind = OffsetKind::Utf16;
    let editor = Doc::with_options(options);
    let content = editor.get_or_insert_text("content");
    let comments = editor.get_or_insert_map("comments");
    let page = editor.get_or_insert_xml_fragment("page");
    {
        let mut txn = editor.transact_mut();
        let plain = Replica::of("plain bold").state();
        txn.apply_update(Update::decode_v1(&plain).unwrap()).unwrap();
        let bold: HashMap<Arc<str>, Any> = [("bold".into(), Any::Bool(true))].into();
        content.format(&mut txn, 6, 4, bold);
        let image: HashMap<String, Any> = [("image".to_owned(), Any::from("a.png"))].into();
        content.insert_embed(&mut txn, 0, Any::from(image));
        comments.insert(&mut txn, "done", true);
        page.push_back(&mut txn, XmlElementPrelim::empty("p"));
    }
    let state = editor.transact().encode_state_as_update_v1(&StateVector::default());

    let shown = Replica::load(&state, &Budget::unlimited()).unwrap().content_json();

    assert_eq!(
        shown["ops"],
        json!([
            { "insert": { "image": "a.png" } },
            { "insert": "plain " },
            { "insert": "bold", "attributes": { "bold": true } },
        ])
    );
    assert_eq!(shown["roots"]["comments"], json!({ "done": true }));
    assert_eq!(shown["roots"]["page"][0]["type"], "p");
    assert_eq!(shown["roots"].as_object().unwrap().len(), 2);
}
