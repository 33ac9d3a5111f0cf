use yrs::{
    Array as _, ArrayPrelim, ClientID, Doc, Map as _, MapPrelim, Out, ReadTxn as _, StateVector,
    Text as _, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _, XmlTextPrelim,
};

use super::*;
use crate::wire::yjs::Depths;

const MANY: usize = 10_000;

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

fn document() -> Doc {
    let doc = Doc::with_client_id(7_u64);
    {
        let mut txn = doc.transact_mut();
        let text = txn.get_or_insert_text("content");
        text.insert(&mut txn, 0, "a🎈b");
        text.remove_range(&mut txn, 0, 1);
        let map = txn.get_or_insert_map("map");
        map.insert(&mut txn, "key", MapPrelim::from([("inner", 5)]));
        map.insert(&mut txn, "key", "other");
        let xml = txn.get_or_insert_xml_fragment("xml");
        let paragraph = xml.push_back(&mut txn, XmlElementPrelim::empty("p"));
        paragraph.push_back(&mut txn, XmlTextPrelim::new("words"));
        let array = txn.get_or_insert_array("array");
        array.push_back(&mut txn, vec![1_i64, 2]);
    }
    doc
}

#[test]
fn what_the_library_writes_is_read_to_its_end() {
    let doc = document();
    let outline = Outline::read(&state(&doc), MANY).unwrap();
    assert!(outline.has_types() && outline.structs() >= 8);
    assert!(outline.is_complete(|_client| 0));
    assert!(outline.may_change(|_client| 0));
    let clock = doc.transact().state_vector().get(&ClientID::new(7));
    assert_eq!(outline.newcomers(|_client| clock).next(), None);
    assert_eq!(outline.newcomers(|_client| clock - 1).next(), Some(7));
}

#[test]
fn nothing_stands_between_a_thing_and_itself() {
    let between = |right| [1, 1, 9, 0, 0xC4, 7, 0, 7, right, 1, b'A', 0];
    assert!(Outline::read(&between(1), MANY).is_ok());
    assert!(matches!(Outline::read(&between(0), MANY), Err(OutlineError::Malformed(_))));
}

#[test]
fn an_update_that_hangs_on_what_is_not_there_is_not_complete() {
    let doc = document();
    let before = doc.transact().state_vector();
    let clock = before.get(&ClientID::new(7));
    {
        let mut txn = doc.transact_mut();
        let text = txn.get_or_insert_text("content");
        text.insert(&mut txn, 0, "x");
    }
    let update = doc.transact().encode_state_as_update_v1(&before);
    let outline = Outline::read(&update, MANY).unwrap();
    assert!(outline.is_complete(|client| if client == 7 { clock } else { 0 }));
    assert!(!outline.is_complete(|_client| 0));
    assert!(!outline.is_complete(|client| if client == 7 { clock - 1 } else { 0 }));
}

#[test]
fn bytes_that_announce_more_than_there_is_are_refused() {
    let much = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    let cases: Vec<Vec<u8>> = vec![
        much.to_vec(),
        [&[1][..], &much, &[1, 0]].concat(),
        [&[1, 1, 1, 0, 4, 1, 1, b'a'][..], &much].concat(),
        [&[1, 1, 1, 0, 8, 1, 1, b'a'][..], &much].concat(),
        [&[1, 1, 1, 0, 8, 1, 1, b'a', 1, 117][..], &much, &[0]].concat(),
        [&[0, 1, 1][..], &much].concat(),
    ];
    for bytes in cases {
        let error = Outline::read(&bytes, MANY).unwrap_err();
        assert!(matches!(error, OutlineError::Malformed(_)), "{bytes:?}: {error}");
    }
}

#[test]
fn what_the_library_reads_otherwise_than_yjs_is_refused() {
    let content = |kind: u8, rest: &[u8]| [&[1, 1, 1, 0, kind, 1, 1, b'a'], rest, &[0]].concat();
    for bytes in [
        content(2, &[1, 1, b'1']),
        content(9, &[1, b'g', 126]),
        content(7, &[5, 1, b'h']),
        content(7, &[7, 0]),
        content(11, &[]),
    ] {
        assert!(Outline::read(&bytes, MANY).is_err(), "{bytes:?}");
    }
    assert!(Outline::read(&content(4, &[1, b'x']), MANY).is_ok());
}

#[test]
fn clocks_that_overflow_and_too_many_structs_are_refused() {
    let far = [1, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 4, 1, 1, b'a', 1, b'x', 0];
    assert!(matches!(Outline::read(&far, MANY), Err(OutlineError::Malformed(_))));
    let state = state(&document());
    assert_eq!(Outline::read(&state, 3).unwrap_err(), OutlineError::TooManyStructs);
    let mut longer = state;
    longer.push(0);
    assert!(Outline::read(&longer, MANY).is_err());
}

#[test]
fn values_are_not_nested_for_ever() {
    let nested = |depth: usize| {
        let mut bytes = vec![1, 1, 1, 0, 8, 1, 1, b'a', 1];
        for _level in 0..depth {
            bytes.extend([117, 1]);
        }
        bytes.extend([126, 0]);
        bytes
    };
    assert!(Outline::read(&nested(30), MANY).is_ok());
    assert!(Outline::read(&nested(100_000), MANY).is_err());
}

/// Arrays in arrays, made by a client of its own, in updates of so many levels each.
fn nested(levels: usize, each: usize) -> Vec<Vec<u8>> {
    let doc = Doc::with_client_id(9_u64);
    let mut updates = Vec::new();
    let mut inner = doc.get_or_insert_array("root");
    for _update in 0..levels / each {
        let before = doc.transact().state_vector();
        {
            let mut txn = doc.transact_mut();
            for _level in 0..each {
                inner.push_back(&mut txn, 1);
                // Behind something else, so that what it is in has to be found out.
                inner = inner.push_back(&mut txn, ArrayPrelim::default());
            }
        }
        updates.push(doc.transact().encode_state_as_update_v1(&before));
    }
    assert!(matches!(inner.get(&doc.transact(), 0), None | Some(Out::Any(_))));
    updates
}

/// The first clock of an update of one client: so much is known before it.
fn beginning(outline: &Outline) -> u32 {
    outline.ranges().map(|(_, start, _)| start).min().unwrap_or(0)
}

#[test]
fn a_client_stands_in_an_update_once() {
    // Client 5 at clock 0, twice, in the root "a".
    let section = [1, 5, 0, 4, 1, 1, b'a', 2, b'x', b'y'];
    let twice = [&[2][..], &section, &section, &[0]].concat();
    assert!(Outline::read(&twice, MANY).is_err());
    assert!(Outline::read(&[&[1][..], &section, &[0]].concat(), MANY).is_ok());
    assert!(Outline::read(&[0, 2, 5, 1, 0, 1, 5, 1, 0, 1], MANY).is_err());
    assert!(Outline::read(&[0, 1, 5, 1, 0, 0], MANY).is_err(), "a range of no length");
}

/// A map of client 9 at a clock, in the one before.
fn map_in_map(clock: u8) -> Vec<u8> {
    // Two bytes are enough for the numbers here.
    let number = |number: u8| if number < 128 { vec![number] } else { vec![number, 1] };
    let (own, parent) = (number(clock), number(clock - 1));
    [&[9][..], &own, &[0x27, 0, 9], &parent, &[1, b'k', 1]].concat()
}

#[test]
fn what_an_update_says_of_what_is_known_does_not_make_it_less_deep() {
    const DEEPEST: u8 = 128;
    let mut depths = Depths::default();
    let mut add = |update: &[u8], known: u8| {
        let outline = Outline::read(update, MANY).unwrap();
        depths.add(&outline, |_client| known.into())
    };
    assert_eq!(add(&[1, 1, 9, 0, 7, 1, 1, b'a', 1, 0], 0), Ok(()), "a map in the root");
    for clock in 1..DEEPEST {
        assert_eq!(add(&[&[1, 1][..], &map_in_map(clock), &[0]].concat(), clock), Ok(()));
    }
    // The deepest one once more, in the root as it says, and one in it.
    let lie = [9, DEEPEST - 1, 7, 1, 1, b'a', 1];
    let inner = &map_in_map(DEEPEST)[3..];
    assert_eq!(add(&[&[1, 2][..], &lie, inner, &[0]].concat(), DEEPEST), Ok(()));
    let deeper = [&[1, 1][..], &map_in_map(DEEPEST + 1), &[0]].concat();
    assert_eq!(add(&deeper, DEEPEST + 1), Err(OutlineError::TooDeep));
}

#[test]
fn nothing_is_held_by_what_is_no_type() {
    // A text at clock 0, and a number in it.
    let bytes = [1, 2, 1, 0, 4, 1, 1, b'a', 1, b'x', 8, 0, 1, 0, 1, 126, 0];
    let outline = Outline::read(&bytes, MANY).unwrap();
    assert!(Depths::default().add(&outline, |_client| 0).is_err());
}

#[test]
fn types_are_nested_to_a_bottom_in_one_update_and_in_many() {
    for each in [1, 10, 50] {
        let mut depths = Depths::default();
        for update in nested(100, each) {
            let outline = Outline::read(&update, MANY).unwrap();
            depths.add(&outline, |_client| beginning(&outline)).unwrap();
        }
        let mut depths = Depths::default();
        let outlines =
            nested(200, each).into_iter().map(|update| Outline::read(&update, MANY).unwrap());
        let added: Vec<_> =
            outlines.map(|outline| depths.add(&outline, |_client| beginning(&outline))).collect();
        assert!(added.contains(&Err(OutlineError::TooDeep)), "{each}");
    }
}

#[test]
fn an_item_that_is_in_itself_is_refused() {
    // An array of client 1 at clock 0, in itself.
    let bytes = [1, 1, 1, 0, 7, 0, 1, 0, 0, 0];
    let outline = Outline::read(&bytes, MANY).unwrap();
    assert_eq!(Depths::default().add(&outline, |_client| 0), Err(OutlineError::TooDeep));
    // Two that are in each other.
    let bytes = [1, 2, 1, 0, 7, 0, 1, 1, 0, 7, 0, 1, 0, 0, 0];
    let outline = Outline::read(&bytes, MANY).unwrap();
    assert_eq!(Depths::default().add(&outline, |_client| 0), Err(OutlineError::TooDeep));
}
