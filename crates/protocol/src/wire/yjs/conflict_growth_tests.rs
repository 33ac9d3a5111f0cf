use proptest::prelude::*;
use yrs::{
    Doc, Map as _, MapPrelim, MapRef, ReadTxn as _, StateVector, Text as _, TextPrelim,
    Transact as _, Update, updates::decoder::Decode as _,
};

use super::{super::ConflictBound, *};

/// The steps that each attached struct may add, as a multiple of the items of the document (`crates/replica`).
const STEPS_PER_STRUCT: u64 = 12;

/// What a user does to their copy of the document.
#[derive(Debug, Clone)]
enum Action {
    /// Inserts a letter into the text, at this part of its length in percent.
    Type(u32),
    /// Deletes a letter there.
    Delete(u32),
    /// Writes an entry of the root map.
    Set(u8),
    /// Writes a new text into an entry of the root map.
    Add(u8),
    /// Types into the text of an entry.
    TypeInto(u8, u32),
    /// Receives what all have written until then.
    Receive,
}

fn actions() -> impl Strategy<Value = Vec<(usize, Action)>> {
    let action = prop_oneof![
        4 => (0..100_u32).prop_map(Action::Type),
        1 => (0..100_u32).prop_map(Action::Delete),
        2 => (0..6_u8).prop_map(Action::Set),
        1 => (0..6_u8).prop_map(Action::Add),
        4 => ((0..6_u8), 0..100_u32).prop_map(|(key, at)| Action::TypeInto(key, at)),
        2 => Just(Action::Receive),
    ];
    prop::collection::vec((0..3_usize, action), 1..120)
}

/// A place in a text of `length`, at a part in percent.
fn place(length: u32, percent: u32) -> u32 {
    length * percent / 100
}

fn act(doc: &Doc, action: &Action) {
    let (text, map) = (doc.get_or_insert_text("content"), doc.get_or_insert_map("map"));
    let entry = |map: &MapRef, key: u8| {
        let txn = doc.transact();
        let found = map.get(&txn, &key.to_string());
        found.and_then(|value| value.cast::<yrs::TextRef>().ok())
    };
    match action {
        Action::Type(at) => {
            let mut txn = doc.transact_mut();
            let at = place(text.len(&txn), *at);
            text.insert(&mut txn, at, "a");
        }
        Action::Delete(at) => {
            let mut txn = doc.transact_mut();
            let length = text.len(&txn);
            if length > 0 {
                text.remove_range(&mut txn, place(length - 1, *at), 1);
            }
        }
        Action::Set(key) => {
            map.insert(&mut doc.transact_mut(), key.to_string(), 1);
        }
        Action::Add(key) => {
            map.insert(&mut doc.transact_mut(), key.to_string(), TextPrelim::new("new"));
        }
        Action::TypeInto(key, at) => {
            let Some(text) = entry(&map, *key) else { return };
            let mut txn = doc.transact_mut();
            let at = place(text.len(&txn), *at);
            text.insert(&mut txn, at, "b");
        }
        Action::Receive => {}
    }
}

fn state_after(doc: &Doc, before: &StateVector) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(before)
}

fn apply(doc: &Doc, update: &[u8]) {
    doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
}

fn read(update: &[u8]) -> Outline {
    Outline::read(update, usize::MAX).unwrap()
}

proptest! {
    /// The bound of the whole is not above that of the document and what each update adds to it.
    #[test]
    fn updates_add_no_more_than_their_growth(actions in actions()) {
        let server = Doc::with_client_id(9);
        let users = [1, 2, 3].map(Doc::with_client_id);
        let mut sent = [(); 3].map(|()| StateVector::default());
        let (mut entries, mut steps, mut structs) = (RootEntries::default(), 0, 0);
        let (mut attached, mut exact) = (0, 0);
        for (user, action) in actions {
            act(&users[user], &action);
            if !matches!(action, Action::Receive) {
                continue;
            }
            let outline = read(&state_after(&users[user], &sent[user]));
            let clocks = server.transact().state_vector();
            let known = |client: u64| clocks.get(&yrs::ClientID::new(client));
            let growth = ConflictGrowth::of(&outline, known, &entries).unwrap();
            prop_assert!(growth.attached <= outline.new_structs(known));
            entries.add(&outline);
            steps += growth.steps;
            attached += growth.attached + outline.deletion_count();
            structs += outline.struct_count() + outline.deletion_count();
            apply(&server, &state_after(&users[user], &sent[user]));
            exact = ConflictBound::of(&[&read(&state_after(&server, &StateVector::default()))])
                .unwrap()
                .steps;
            let cross = STEPS_PER_STRUCT * attached as u64 * 3 * structs as u64;
            prop_assert!(exact <= steps + cross, "{exact} > {steps} + {cross}");
            let has = users[user].transact().state_vector();
            apply(&users[user], &state_after(&server, &has));
            sent[user] = users[user].transact().state_vector();
        }
        prop_assert!(exact <= steps + STEPS_PER_STRUCT * attached as u64 * 3 * structs as u64);
    }
}

/// Returns the update in which a user writes these entries of the root map.
fn cells(client: u64, keys: std::ops::Range<u32>) -> Outline {
    let doc = Doc::with_client_id(client);
    let map = doc.get_or_insert_map("map");
    for key in keys {
        map.insert(&mut doc.transact_mut(), key.to_string(), key);
    }
    read(&state_after(&doc, &StateVector::default()))
}

fn growth(outline: &Outline, entries: &RootEntries) -> ConflictGrowth {
    ConflictGrowth::of(outline, |_client| 0, entries).unwrap()
}

#[test]
fn entries_under_new_keys_are_attached_to_nothing() {
    let mut entries = RootEntries::default();
    let first = cells(1, 0..100);
    assert_eq!(growth(&first, &entries), ConflictGrowth { steps: 100, attached: 0 });
    entries.add(&first);
    assert_eq!(growth(&cells(2, 100..200), &entries).attached, 0);
    assert_eq!(growth(&cells(2, 50..150), &entries).attached, 50);
    entries.confirm();

    // The update is refused.
    entries.add(&cells(2, 50..150));
    entries.take_back();
    assert_eq!(growth(&cells(2, 100..200), &entries).attached, 0);
    assert_eq!(growth(&cells(2, 0..100), &entries).attached, 100);
}

#[test]
fn what_is_inside_a_new_type_is_attached_to_nothing() {
    let doc = Doc::with_client_id(1);
    let map = doc.get_or_insert_map("map");
    let row = map.insert(&mut doc.transact_mut(), "row", MapPrelim::default());
    let text = row.insert(&mut doc.transact_mut(), "text", TextPrelim::new(""));
    for at in [0, 1, 0, 1] {
        text.insert(&mut doc.transact_mut(), at, "x");
    }
    let created = state_after(&doc, &StateVector::default());
    assert_eq!(growth(&read(&created), &RootEntries::default()).attached, 0);

    let known = doc.transact().state_vector();
    text.insert(&mut doc.transact_mut(), 2, "later");
    let later = read(&state_after(&doc, &known));
    let known = |client: u64| known.get(&yrs::ClientID::new(client));
    let growth = ConflictGrowth::of(&later, known, &RootEntries::default()).unwrap();
    assert_eq!(growth.attached, 1);
}

#[test]
fn the_children_of_a_type_that_the_document_has_are_attached() {
    let doc = Doc::with_client_id(1);
    let map = doc.get_or_insert_map("map");
    map.insert(&mut doc.transact_mut(), "text", TextPrelim::new("abc"));
    let update = read(&state_after(&doc, &StateVector::default()));
    let all = update.struct_count();
    // It is sent once more with its entry, by an editor that reconnects.
    let mut entries = RootEntries::default();
    entries.add(&update);
    let has_type = |_client: u64| 1;
    let growth = ConflictGrowth::of(&update, has_type, &entries).unwrap();
    assert_eq!(growth, ConflictGrowth { steps: 0, attached: all - 1 });
}

#[test]
fn letters_of_the_root_text_are_attached() {
    let doc = Doc::with_client_id(1);
    let text = doc.get_or_insert_text("content");
    for at in [0, 0, 0] {
        text.insert(&mut doc.transact_mut(), at, "x");
    }
    let update = read(&state_after(&doc, &StateVector::default()));
    assert_eq!(growth(&update, &RootEntries::default()), ConflictGrowth { steps: 0, attached: 3 });
}

/// An update made by hand can put an entry of a map into a sequence of the document before it sends items of that entry.
#[test]
fn items_without_a_left_origin_in_one_entry_are_attached_apart_from_the_first() {
    let entry = |key: u8| vec![0x24, 1, 1, b'm', 1, key, 1, b'e'];
    let mut update = vec![1, 5, 1, 0];
    for key in *b"kkkll" {
        update.extend(entry(key));
    }
    update.push(0);
    assert_eq!(growth(&read(&update), &RootEntries::default()).attached, 3);
}
