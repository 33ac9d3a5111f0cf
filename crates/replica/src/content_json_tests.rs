use yrs::{
    Text as _, WriteTxn as _, Xml as _, XmlElementPrelim, XmlFragment as _, XmlTextPrelim,
    types::Attrs,
};

use super::*;

#[test]
fn xml_has_the_shape_of_the_json_of_prosemirror() {
    let replica = Replica::of("");
    let body = replica.doc.get_or_insert_xml_fragment("default");
    let mut txn = replica.doc.transact_mut();
    let heading = body.insert(&mut txn, 0, XmlElementPrelim::empty("heading"));
    heading.insert_attribute(&mut txn, "level", Any::from(2));
    let text = heading.insert(&mut txn, 0, XmlTextPrelim::new("Plan of Ana"));
    text.format(&mut txn, 0, 4, Attrs::from([("bold".into(), true.into())]));
    let link = Any::from_json(r#"{ "href": "https://example.org" }"#).unwrap();
    text.format(&mut txn, 8, 3, Attrs::from([("link--AbC12+/=".into(), link)]));
    body.insert(&mut txn, 1, XmlElementPrelim::empty("horizontalRule"));
    drop(txn);
    let expected = json!([
        { "type": "heading", "attrs": { "level": 2 }, "content": [
            { "type": "text", "text": "Plan", "marks": [{ "type": "bold" }] },
            { "type": "text", "text": " of " },
            { "type": "text", "text": "Ana", "marks": [
                { "type": "link", "attrs": { "href": "https://example.org" } },
            ] },
        ] },
        { "type": "horizontalRule" },
    ]);
    assert_eq!(replica.content_json()["roots"]["default"], expected);
}

#[test]
fn text_with_attributes_is_a_node_of_its_own() {
    let replica = Replica::of("");
    let mut txn = replica.doc.transact_mut();
    let root = txn.get_or_insert_xml_fragment("root");
    let paragraph = root.insert(&mut txn, 0, XmlTextPrelim::new("Hello"));
    paragraph.insert_attribute(&mut txn, "__type", "paragraph");
    drop(txn);
    let expected = json!([
        { "attrs": { "__type": "paragraph" }, "content": [{ "type": "text", "text": "Hello" }] },
    ]);
    assert_eq!(replica.content_json()["roots"]["root"], expected);
}
