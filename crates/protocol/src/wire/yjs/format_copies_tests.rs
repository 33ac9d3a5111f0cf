use yrs::{
    Any, Doc, ReadTxn as _, StateVector, Text as _, TextRef, Transact as _, XmlElementPrelim,
    XmlFragment as _, XmlTextPrelim, types::Attrs,
};

use super::*;

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

fn outline(update: &[u8]) -> Outline {
    Outline::read(update, usize::MAX).unwrap()
}

fn bound(doc: &Doc) -> FormatCopies {
    FormatCopies::of(&[&outline(&state(doc))]).unwrap()
}

/// Sets formats with these names on a whole text.
fn format_all(text: &TextRef, doc: &Doc, names: std::ops::Range<u32>) {
    for name in names {
        let formats = Attrs::from([(format!("format-{name}").into(), Any::from(true))]);
        let mut txn = doc.transact_mut();
        let length = text.len(&txn);
        text.format(&mut txn, 0, length, formats);
    }
}

/// What the library really copies when it reads a text.
fn copies(text: &TextRef, doc: &Doc) -> u64 {
    let chunks = text.diff(&doc.transact(), yrs::types::text::YChange::identity);
    chunks.iter().map(|chunk| chunk.attributes.as_ref().map_or(0, |all| all.len() as u64)).sum()
}

#[test]
fn a_text_has_at_most_its_names_times_its_pieces() {
    let doc = Doc::with_client_id(7_u64);
    let text = doc.get_or_insert_text("content");
    for _object in 0..30 {
        text.insert_embed(&mut doc.transact_mut(), 0, Any::from("object"));
    }
    assert_eq!(bound(&doc).copies, 0);
    format_all(&text, &doc, 0..20);
    assert_eq!(copies(&text, &doc), 30 * 20);
    // Each format begins and ends once.
    assert_eq!(bound(&doc).copies, 20 * (2 * 30 + 2 * 20));
    // The same names again are no others, but end and begin again.
    format_all(&text, &doc, 0..20);
    assert!(bound(&doc).copies <= 20 * (2 * 30 + 4 * 20));
}

#[test]
fn each_text_counts_by_itself() {
    let doc = Doc::with_client_id(7_u64);
    let body = doc.get_or_insert_xml_fragment("body");
    for number in 0..10 {
        let mut txn = doc.transact_mut();
        let paragraph = body.push_back(&mut txn, XmlElementPrelim::empty("p"));
        let text = paragraph.push_back(&mut txn, XmlTextPrelim::new("words"));
        let formats = Attrs::from([(format!("comment-{number}").into(), Any::from(true))]);
        text.format(&mut txn, 1, 2, formats);
    }
    let all = bound(&doc);
    // The root type has ten paragraphs, and each of them a text.
    assert_eq!(all, FormatCopies { copies: 10 * 2, names: 1, pieces: 20 });
}

#[test]
fn the_growth_of_an_update_bounds_what_it_adds() {
    let doc = Doc::with_client_id(7_u64);
    let text = doc.get_or_insert_text("content");
    text.insert(&mut doc.transact_mut(), 0, "some words");
    format_all(&text, &doc, 0..5);
    for (embeds, names) in [(0, 0..3), (10, 0..0), (4, 2..9), (1, 20..40)] {
        let (before, known) = (bound(&doc), doc.transact().state_vector());
        for _embed in 0..embeds {
            text.insert_embed(&mut doc.transact_mut(), 3, Any::from("object"));
        }
        format_all(&text, &doc, names);
        let update = outline(&doc.transact().encode_state_as_update_v1(&known));
        let growth = update.format_growth(|client| known.get(&yrs::ClientID::new(client)));
        let after = bound(&doc);
        assert!(before.after(growth) >= after.copies, "{before:?} {growth:?} {after:?}");
        assert!(after.copies >= copies(&text, &doc));
        // What is known adds nothing.
        let known = doc.transact().state_vector();
        let known = |client| known.get(&yrs::ClientID::new(client));
        assert_eq!(outline(&state(&doc)).format_growth(known), FormatGrowth::default());
        // The parts of a document are counted as the whole.
        assert_eq!(FormatCopies::of(&[&outline(&state(&doc)), &update]).unwrap(), after);
    }
}

/// Returns an update in which the client 2 embeds an object into the root type `t`, and begins a format between `first`, which is a
/// struct of client 1, and that object.
fn format_between(first: &[u8]) -> Vec<u8> {
    let object = [5, 1, 1, b't', 1, b'1'];
    let format = [0xC6, 1, 0, 2, 0, 1, b'k', 4, b't', b'r', b'u', b'e'];
    [&[2, 1, 1, 0][..], first, &[2, 2, 0], &object, &format, &[0]].concat()
}

#[test]
fn a_format_after_something_that_was_deleted_is_in_the_list_of_its_right_origin() {
    let update = format_between(&[0, 1]);
    let counted = FormatCopies::of(&[&outline(&update)]).unwrap();
    assert_eq!(counted, FormatCopies { copies: 3, names: 1, pieces: 3 });
    // That is where the library puts it.
    let doc = Doc::with_client_id(7_u64);
    let text = doc.get_or_insert_text("t");
    doc.transact_mut()
        .apply_update(yrs::updates::decoder::Decode::decode_v1(&update).unwrap())
        .unwrap();
    assert_eq!(copies(&text, &doc), 1);
}

#[test]
fn origins_in_different_lists_have_no_bound() {
    let update = format_between(&[5, 1, 1, b'u', 1, b'1']);
    assert_eq!(FormatCopies::of(&[&outline(&update)]).unwrap().copies, u64::MAX);
}
