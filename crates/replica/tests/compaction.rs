//! A compacted document has the same content and nothing of the past.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

use std::{collections::HashMap, sync::Arc};

use protocol::{domain::Budget, wire::yjs::ClientClocks};
use replica::Replica;
use yrs::{
    Any, Array as _, ArrayPrelim, Doc, GetString as _, Map as _, MapPrelim, OffsetKind, Options,
    ReadTxn as _, StateVector, Text as _, Transact as _, Update, XmlElementPrelim,
    XmlFragment as _,
    types::{ToJson as _, text::YChange},
    updates::decoder::Decode as _,
};

fn doc(client: u64, state: &[u8]) -> Doc {
    let mut options = Options::with_client_id(yrs::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    for name in ["content", "other"] {
        doc.get_or_insert_text(name);
    }
    doc.get_or_insert_map("comments");
    doc.get_or_insert_array("list");
    doc.get_or_insert_xml_fragment("page");
    doc.transact_mut().apply_update(Update::decode_v1(state).unwrap()).unwrap();
    doc
}

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

fn load(state: &[u8]) -> Replica {
    Replica::load(state, &Budget::unlimited()).unwrap()
}

#[test]
fn a_compacted_document_has_the_content_and_no_past() {
    let mut latest = Replica::of("Hello 🎈 world").state();
    for client in 1..200 {
        let doc = doc(client, &latest);
        let text = doc.get_or_insert_text("content");
        {
            let mut txn = doc.transact_mut();
            text.insert(&mut txn, u32::try_from(client % 6).unwrap(), "x");
            text.remove_range(&mut txn, 0, 1);
        }
        latest = state(&doc);
    }
    let old = load(&latest);
    let new = old.compacted().unwrap();
    assert_eq!(new.content(), old.content());
    assert!(old.clocks().len() > 100 && new.clocks().len() == 1);
    assert!(new.structs() < 5, "{}", new.structs());
    let loaded = load(&new.state());
    assert_eq!(loaded.content(), old.content());
    // Editors of the old document are told.
    let clocks = ClientClocks::read(old.state_vector().into()).unwrap();
    assert!(loaded.is_foreign_to(&clocks));
}

#[test]
fn formats_embedded_objects_and_other_types_are_copied() {
    let editor = doc(7, &Replica::of("plain bold").state());
    let bold: HashMap<Arc<str>, Any> = [("bold".into(), Any::Bool(true))].into();
    {
        let content = editor.get_or_insert_text("content");
        let other = editor.get_or_insert_text("other");
        let comments = editor.get_or_insert_map("comments");
        let list = editor.get_or_insert_array("list");
        let page = editor.get_or_insert_xml_fragment("page");
        let mut txn = editor.transact_mut();
        content.format(&mut txn, 6, 4, bold);
        let image: HashMap<String, Any> = [("image".to_owned(), Any::from("a.png"))].into();
        content.insert_embed(&mut txn, 3, Any::from(image));
        other.insert(&mut txn, 0, "another text");
        let reply = MapPrelim::from([("text", Any::from("hm")), ("at", Any::from(3))]);
        comments.insert(&mut txn, "first", reply);
        comments.insert(&mut txn, "done", true);
        list.push_back(&mut txn, "one");
        list.push_back(&mut txn, ArrayPrelim::from([2, 3]));
        let paragraph = page.push_back(&mut txn, XmlElementPrelim::empty("p"));
        paragraph.push_back(&mut txn, XmlElementPrelim::empty("b"));
    }
    let old = load(&state(&editor));
    let copied = doc(8, &old.compacted().unwrap().state());
    let shown = |doc: &Doc| {
        let text = doc.get_or_insert_text("content");
        let other = doc.get_or_insert_text("other");
        let (map, list) = (doc.get_or_insert_map("comments"), doc.get_or_insert_array("list"));
        let page = doc.get_or_insert_xml_fragment("page");
        let txn = doc.transact();
        let chunks: Vec<_> = text.diff(&txn, YChange::identity);
        let chunks: Vec<_> =
            chunks.into_iter().map(|chunk| (chunk.insert, chunk.attributes)).collect();
        (
            format!("{chunks:?}"),
            other.get_string(&txn),
            map.to_json(&txn),
            list.to_json(&txn),
            page.get_string(&txn),
        )
    };
    assert_eq!(shown(&copied), shown(&editor));
}
