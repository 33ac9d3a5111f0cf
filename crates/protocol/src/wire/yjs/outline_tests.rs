use yrs::{
    Array as _, ArrayPrelim, ClientID, Doc, Map as _, MapPrelim, Out, ReadTxn as _, StateVector,
    Text as _, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _, XmlTextPrelim,
};

use super::*;
use crate::wire::yjs::Depths;

const MAX_STRUCTS: usize = 10_000;

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
fn updates_of_the_library_are_read_completely() {
    let doc = document();
    let outline = Outline::read(&state(&doc), MAX_STRUCTS).unwrap();
    assert!(outline.has_types() && outline.struct_count() >= 8);
    assert!(outline.is_complete(|_client| 0));
    assert!(outline.may_change(|_client| 0));
    let clock = doc.transact().state_vector().get(&ClientID::new(7));
    assert_eq!(outline.new_clients(|_client| clock).next(), None);
    assert_eq!(outline.new_clients(|_client| clock - 1).next(), Some(7));
}

#[test]
fn an_item_with_equal_origins_is_rejected() {
    let with_right_origin = |right| [1, 1, 9, 0, 0xC4, 7, 0, 7, right, 1, b'A', 0];
    assert!(Outline::read(&with_right_origin(1), MAX_STRUCTS).is_ok());
    assert!(matches!(
        Outline::read(&with_right_origin(0), MAX_STRUCTS),
        Err(OutlineError::Malformed(_))
    ));
}

#[test]
fn an_update_with_missing_dependencies_is_not_complete() {
    let doc = document();
    let before = doc.transact().state_vector();
    let clock = before.get(&ClientID::new(7));
    {
        let mut txn = doc.transact_mut();
        let text = txn.get_or_insert_text("content");
        text.insert(&mut txn, 0, "x");
    }
    let update = doc.transact().encode_state_as_update_v1(&before);
    let outline = Outline::read(&update, MAX_STRUCTS).unwrap();
    assert!(outline.is_complete(|client| if client == 7 { clock } else { 0 }));
    assert!(!outline.is_complete(|_client| 0));
    assert!(!outline.is_complete(|client| if client == 7 { clock - 1 } else { 0 }));
}

#[test]
fn clients_without_structs_and_ranges_count() {
    // Five clients of no structs, and five of no deleted ranges.
    let clients = |entry: fn(u8) -> Vec<u8>| (0..5).flat_map(entry).collect::<Vec<u8>>();
    let inserting = [vec![5], clients(|client| vec![0, client, 0]), vec![0]].concat();
    let deleting = [vec![0, 5], clients(|client| vec![client, 0])].concat();
    for (update, error) in
        [(&inserting, OutlineError::TooManyStructs), (&deleting, OutlineError::TooManyDeletions)]
    {
        assert!(Outline::read_bounded(update, 5, 5).is_ok());
        assert_eq!(Outline::read_bounded(update, 4, 4).err(), Some(error));
    }
}

#[test]
fn counts_that_exceed_the_bytes_are_rejected() {
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    let cases: Vec<Vec<u8>> = vec![
        huge.to_vec(),
        [&[1][..], &huge, &[1, 0]].concat(),
        [&[1, 1, 1, 0, 4, 1, 1, b'a'][..], &huge].concat(),
        [&[1, 1, 1, 0, 8, 1, 1, b'a'][..], &huge].concat(),
        [&[1, 1, 1, 0, 8, 1, 1, b'a', 1, 117][..], &huge, &[0]].concat(),
        [&[0, 1, 1][..], &huge].concat(),
    ];
    for bytes in cases {
        let error = Outline::read(&bytes, MAX_STRUCTS).unwrap_err();
        assert!(matches!(error, OutlineError::Malformed(_)), "{bytes:?}: {error}");
    }
}

#[test]
fn content_that_the_library_decodes_differently_from_yjs_is_rejected() {
    let content = |kind: u8, rest: &[u8]| [&[1, 1, 1, 0, kind, 1, 1, b'a'], rest, &[0]].concat();
    for bytes in [content(7, &[7, 0]), content(11, &[]), content(2, &[0])] {
        assert!(Outline::read(&bytes, MAX_STRUCTS).is_err(), "{bytes:?}");
    }
    assert!(Outline::read(&content(4, &[1, b'x']), MAX_STRUCTS).is_ok());
}

#[test]
fn overflowing_clocks_and_too_many_structs_are_rejected() {
    let overflowing = [1, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 4, 1, 1, b'a', 1, b'x', 0];
    assert!(matches!(Outline::read(&overflowing, MAX_STRUCTS), Err(OutlineError::Malformed(_))));
    let state = state(&document());
    assert_eq!(Outline::read(&state, 3).unwrap_err(), OutlineError::TooManyStructs);
    let mut longer = state;
    longer.push(0);
    assert!(Outline::read(&longer, MAX_STRUCTS).is_err());
}

#[test]
fn deeply_nested_values_are_replaced() {
    let nested = |depth: usize| {
        let mut bytes = vec![1, 1, 1, 0, 8, 1, 1, b'a', 1];
        for _level in 0..depth {
            bytes.extend([117, 1]);
        }
        bytes.extend([126, 0]);
        bytes
    };
    let is_supported = |bytes: &[u8]| {
        let outline = Outline::read(bytes, MAX_STRUCTS).unwrap();
        outline.supported(bytes).is_none()
    };
    assert!(is_supported(&nested(128)));
    assert!(!is_supported(&nested(129)) && !is_supported(&nested(100_000)));
}

/// Returns updates that together nest arrays `levels` deep, each of them `levels_per_update` deep.
fn nested_arrays(levels: usize, levels_per_update: usize) -> Vec<Vec<u8>> {
    let doc = Doc::with_client_id(9_u64);
    let mut updates = Vec::new();
    let mut inner = doc.get_or_insert_array("root");
    for _update in 0..levels / levels_per_update {
        let before = doc.transact().state_vector();
        {
            let mut txn = doc.transact_mut();
            for _level in 0..levels_per_update {
                inner.push_back(&mut txn, 1);
                // After another item, so that its parent must be found by its origin.
                inner = inner.push_back(&mut txn, ArrayPrelim::default());
            }
        }
        updates.push(doc.transact().encode_state_as_update_v1(&before));
    }
    assert!(matches!(inner.get(&doc.transact(), 0), None | Some(Out::Any(_))));
    updates
}

/// Returns the first clock of an update of one client, which is the clock that a document knows before it.
fn first_clock(outline: &Outline) -> u32 {
    outline.ranges().map(|(_, start, _)| start).min().unwrap_or(0)
}

#[test]
fn a_repeated_client_is_rejected() {
    // Client 5 at clock 0, twice, in the root "a".
    let section = [1, 5, 0, 4, 1, 1, b'a', 2, b'x', b'y'];
    let twice = [&[2][..], &section, &section, &[0]].concat();
    assert!(Outline::read(&twice, MAX_STRUCTS).is_err());
    assert!(Outline::read(&[&[1][..], &section, &[0]].concat(), MAX_STRUCTS).is_ok());
    assert!(Outline::read(&[0, 2, 5, 1, 0, 1, 5, 1, 0, 1], MAX_STRUCTS).is_err());
    assert!(Outline::read(&[0, 1, 5, 1, 0, 0], MAX_STRUCTS).is_err(), "an empty range");
}

/// Returns a map of client 9 at this clock, inside the map at the clock before.
fn map_in_map(clock: u8) -> Vec<u8> {
    // The numbers here have at most two bytes.
    let number = |number: u8| if number < 128 { vec![number] } else { vec![number, 1] };
    let (own, parent) = (number(clock), number(clock - 1));
    [&[9][..], &own, &[0x27, 0, 9], &parent, &[1, b'k', 1]].concat()
}

#[test]
fn an_update_cannot_change_the_depth_of_known_structs() {
    const MAX_DEPTH: u8 = 128;
    let mut depths = Depths::default();
    let mut add = |update: &[u8], known: u8| {
        let outline = Outline::read(update, MAX_STRUCTS).unwrap();
        depths.add(&outline, |_client| known.into())
    };
    assert_eq!(add(&[1, 1, 9, 0, 7, 1, 1, b'a', 1, 0], 0), Ok(()), "a map in the root");
    for clock in 1..MAX_DEPTH {
        assert_eq!(add(&[&[1, 1][..], &map_in_map(clock), &[0]].concat(), clock), Ok(()));
    }
    // Repeats the deepest map, now in a root type, with another map in it.
    let false_parent = [9, MAX_DEPTH - 1, 7, 1, 1, b'a', 1];
    let inner = &map_in_map(MAX_DEPTH)[3..];
    assert_eq!(add(&[&[1, 2][..], &false_parent, inner, &[0]].concat(), MAX_DEPTH), Ok(()));
    let deeper = [&[1, 1][..], &map_in_map(MAX_DEPTH + 1), &[0]].concat();
    assert_eq!(add(&deeper, MAX_DEPTH + 1), Err(OutlineError::TooDeep));
}

#[test]
fn an_item_in_a_parent_that_is_no_type_is_rejected() {
    // A text at clock 0, and a value inside it.
    let bytes = [1, 2, 1, 0, 4, 1, 1, b'a', 1, b'x', 8, 0, 1, 0, 1, 126, 0];
    let outline = Outline::read(&bytes, MAX_STRUCTS).unwrap();
    assert!(Depths::default().add(&outline, |_client| 0).is_err());
}

#[test]
fn nesting_is_limited_within_and_across_updates() {
    for levels_per_update in [1, 10, 50] {
        let mut depths = Depths::default();
        for update in nested_arrays(100, levels_per_update) {
            let outline = Outline::read(&update, MAX_STRUCTS).unwrap();
            depths.add(&outline, |_client| first_clock(&outline)).unwrap();
        }
        let mut depths = Depths::default();
        let outlines = nested_arrays(200, levels_per_update)
            .into_iter()
            .map(|update| Outline::read(&update, MAX_STRUCTS).unwrap());
        let added: Vec<_> =
            outlines.map(|outline| depths.add(&outline, |_client| first_clock(&outline))).collect();
        assert!(
            added.contains(&Err(OutlineError::TooDeep)),
            "{levels_per_update} levels per update"
        );
    }
}

#[test]
fn a_cycle_of_types_is_rejected() {
    // An array at clock 0, inside itself.
    let bytes = [1, 1, 1, 0, 7, 0, 1, 0, 0, 0];
    let outline = Outline::read(&bytes, MAX_STRUCTS).unwrap();
    assert_eq!(Depths::default().add(&outline, |_client| 0), Err(OutlineError::TooDeep));
    // Two arrays inside each other.
    let bytes = [1, 2, 1, 0, 7, 0, 1, 1, 0, 7, 0, 1, 0, 0, 0];
    let outline = Outline::read(&bytes, MAX_STRUCTS).unwrap();
    assert_eq!(Depths::default().add(&outline, |_client| 0), Err(OutlineError::TooDeep));
}
