use std::time::Duration;

use yrs::{
    Any, ClientID, Doc, GetString as _, Map as _, MapPrelim, MapRef, OffsetKind, Options,
    Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _, encoding::write::Write as _,
};

use super::*;
use crate::{
    ApplyBounds,
    editors::{editor, update_of},
};

fn bounds() -> MergeBounds {
    MergeBounds {
        text: 1_000,
        state: 10_000,
        structs: 100,
        document_structs: usize::MAX,
        clients: 1_000,
        compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(5),
        budget: Budget::unlimited(),
    }
}

fn insert(doc: &Doc, at: u32, inserted: &str) -> Bytes {
    update_of(doc, |txn| {
        let text = txn.get_or_insert_text("content");
        text.insert(txn, at, inserted);
    })
}

fn delete(doc: &Doc, at: u32, units: u32) -> Bytes {
    update_of(doc, |txn| {
        let text = txn.get_or_insert_text("content");
        text.remove_range(txn, at, units);
    })
}

fn merge(replica: Replica, updates: &[Bytes]) -> (Replica, Option<Merged>) {
    let (replica, merged) = replica.merge(updates, &bounds());
    (replica.unwrap(), merged.unwrap())
}

fn json(delta: &Delta) -> String {
    serde_json::to_string(delta).unwrap()
}

#[test]
fn updates_of_an_editor_become_a_delta_and_one_update() {
    let replica = Replica::of("Hello 🎈");
    let doc = editor(&replica, 1);
    let (first, second) = (insert(&doc, 5, " there"), delete(&doc, 0, 1));
    let (replica, change) = merge(replica, &[first, second]);
    let change = change.unwrap();
    assert_eq!(json(&change.delta), r#"[{"delete":1},{"retain":4},{"insert":" there"}]"#);
    assert_eq!(*replica.content(), *"ello there 🎈");
    assert_eq!(replica.plain_text(), "ello there 🎈");
}

#[test]
fn known_updates_change_nothing() {
    let replica = Replica::of("text");
    let doc = editor(&replica, 1);
    let update = insert(&doc, 0, "my ");
    let (replica, change) = merge(replica, std::slice::from_ref(&update));
    assert!(change.is_some());
    let (replica, change) = merge(replica, &[update]);
    assert!(change.is_none());
    let state = Bytes::from(doc.transact().encode_state_as_update_v1(&StateVector::default()));
    let (replica, change) = merge(replica, &[state, Bytes::from_static(&[0, 0])]);
    assert!(change.is_none());
    assert_eq!(*replica.content(), *"my text");
}

#[test]
fn updates_with_missing_dependencies_are_rejected_or_left_out() {
    let replica = Replica::of("text");
    let doc = editor(&replica, 1);
    let missing = insert(&doc, 0, "a");
    let (next, deletion) = (insert(&doc, 1, "b"), delete(&doc, 0, 1));
    for update in [&next, &deletion] {
        let (kept, error) = replica.merge_into_copy(std::slice::from_ref(update));
        assert_eq!(error.err(), Some(MergeError::MissingDependencies));
        assert_eq!(kept.state_vector(), replica.state_vector());
    }
    // Other updates are merged, and those left out can be merged with their dependencies.
    let (kept, part) =
        replica.merge_into_copy(&[missing.clone(), insert(&editor(&replica, 2), 0, "c")]);
    assert!(!part.unwrap().unwrap().leaves_out && kept.content().bytes() == 6);
    let elsewhere = insert(&editor(&replica, 3), 4, "!");
    let (kept, part) = replica.merge_into_copy(&[next.clone(), elsewhere]);
    assert!(part.unwrap().unwrap().leaves_out && *kept.content() == *"text!");
    let (replica, _) = merge(replica, &[deletion, next, missing]);
    assert_eq!(*replica.content(), *"btext");
}

impl Replica {
    /// Merges into a copy of this replica.
    fn merge_into_copy(&self, updates: &[Bytes]) -> (Replica, Result<Option<Merged>, MergeError>) {
        let (kept, merged) =
            Replica::load(&self.state(), &Budget::unlimited()).unwrap().merge(updates, &bounds());
        (kept.expect("an unchanged replica"), merged)
    }
}

#[test]
fn another_history_is_rejected() {
    let (ours, theirs) = (Replica::of("text"), Replica::of("text"));
    let doc = editor(&theirs, 1);
    let state = Bytes::from(doc.transact().encode_state_as_update_v1(&StateVector::default()));
    assert_eq!(ours.merge_into_copy(&[state]).1.err(), Some(MergeError::Unrelated));
    let clocks = protocol::wire::yjs::ClientClocks::read(theirs.state_vector().into()).unwrap();
    assert!(ours.is_foreign_to(&clocks) && !theirs.is_foreign_to(&clocks));
    let early = Doc::with_client_id(5_u64);
    let typed = insert(&early, 0, "typed before the first sync ");
    let (ours, change) = merge(ours, &[typed]);
    assert!(change.is_some() && ours.content().bytes() == 32);
}

#[test]
fn other_root_types_are_merged_without_a_delta() {
    let replica = Replica::of("text");
    let doc = editor(&replica, 1);
    let xml = update_of(&doc, |txn| {
        let xml = txn.get_or_insert_xml_fragment("prosemirror");
        xml.push_back(txn, XmlElementPrelim::empty("paragraph"));
        let map = txn.get_or_insert_map("settings");
        map.insert(txn, "font", "serif");
    });
    let (replica, change) = merge(replica, &[xml]);
    let change = change.unwrap();
    assert!(change.delta.is_empty() && !change.update.is_empty());
    let other = editor(&replica, 2);
    let mut txn = other.transact_mut();
    let xml = txn.get_or_insert_xml_fragment("prosemirror");
    assert_eq!(xml.get_string(&txn), "<paragraph></paragraph>");
}

#[test]
fn an_embedded_object_is_one_character_of_the_plain_text() {
    let replica = Replica::of("ab");
    let doc = editor(&replica, 1);
    let image = update_of(&doc, |txn| {
        let text = txn.get_or_insert_text("content");
        text.insert_embed(txn, 1, Any::from_json(r#"{"image":"x.png"}"#).unwrap());
        text.format(txn, 0, 1, [("bold".into(), true.into())].into());
    });
    let (replica, change) = merge(replica, &[image]);
    assert_eq!(
        json(&change.unwrap().delta),
        "[{\"retain\":1,\"attributes\":{\"bold\":true}},{\"insert\":\"\u{FFFC}\",\"embed\":{\"image\":\"x.png\"}}]"
    );
    let (mut replica, _) = merge(replica, &[insert(&doc, 3, "!")]);
    assert_eq!(*replica.content(), *"a\u{FFFC}b!");
    let loaded = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
    assert_eq!(loaded.content(), replica.content());
    let delta: Delta = serde_json::from_str(r#"[{"retain":1},{"delete":1}]"#).unwrap();
    replica
        .apply(&delta, ApplyBounds { text: 100, structs: usize::MAX, budget: &Budget::unlimited() })
        .unwrap();
    assert_eq!(replica.plain_text(), "ab!");
}

#[test]
fn a_split_character_becomes_a_replacement_character() {
    let replica = Replica::of("a🎈b");
    let doc = editor(&replica, 1);
    let (replica, change) = merge(replica, &[delete(&doc, 2, 1)]);
    assert_eq!(*replica.content(), *"a\u{FFFD}b");
    let content = Content::from("a🎈b").apply(&change.unwrap().delta).unwrap();
    assert_eq!(content, *replica.content());
}

/// Merges an insertion of "x" by `client` into "a🎈b", whose insertions are 1:0 to 1:3. Returns the text.
fn merge_crafted(client: u8, left: Option<u8>, right: Option<u8>) -> String {
    let (mut doc_of_one, empty) = (Options::with_client_id(ClientID::new(1)), Replica::of(""));
    doc_of_one.offset_kind = OffsetKind::Utf16;
    let (replica, _) = merge(empty, &[insert(&Doc::with_options(doc_of_one), 0, "a🎈b")]);
    let info = 4 | left.map_or(0, |_| 0x80) | right.map_or(0, |_| 0x40);
    let origins = left.into_iter().chain(right).flat_map(|clock| [1, clock]);
    let update: Vec<u8> =
        [1, 1, client, 0, info].into_iter().chain(origins).chain([1, b'x', 0]).collect();
    let before = replica.content().clone();
    let (replica, change) = merge(replica, &[update.into()]);
    assert_eq!(before.apply(&change.unwrap().delta).unwrap(), *replica.content());
    assert_eq!(*replica.content(), *replica.plain_text());
    replica.content().to_string()
}

#[test]
fn an_insertion_splits_the_character_at_its_origin_even_if_it_goes_elsewhere() {
    // Concurrent insertions at one place are ordered by client.
    assert_eq!(merge_crafted(0, None, Some(2)), "xa\u{FFFD}\u{FFFD}b");
    assert_eq!(merge_crafted(9, Some(1), None), "a\u{FFFD}\u{FFFD}bx");
    // Between the halves.
    assert_eq!(merge_crafted(9, Some(1), Some(2)), "a\u{FFFD}x\u{FFFD}b");
    // Beside the character, nothing is split.
    assert_eq!(merge_crafted(0, None, Some(1)), "xa🎈b");
    assert_eq!(merge_crafted(9, Some(2), None), "a🎈bx");
    assert_eq!(merge_crafted(9, Some(0), Some(3)), "a🎈xb");
}

#[test]
fn content_of_another_type_in_the_text_is_rejected() {
    let replica = Replica::of("");
    let doc = Doc::with_client_id(3_u64);
    let numbers = {
        let array = doc.get_or_insert_array("content");
        let mut txn = doc.transact_mut();
        yrs::Array::push_back(&array, &mut txn, 5);
        txn.commit();
        Bytes::from(txn.encode_update_v1())
    };
    let (_, error) = replica.merge(&[numbers], &bounds());
    assert_eq!(error.err(), Some(MergeError::NotText));
}

#[test]
fn limits_are_enforced() {
    let replica = Replica::of("text");
    let doc = editor(&replica, 1);
    let long = insert(&doc, 0, &"x".repeat(1_000));
    let (_, error) = replica.merge(&[long], &bounds());
    assert_eq!(error.err(), Some(MergeError::TooLarge { size: 1_004, limit: 1_000 }));

    let replica = Replica::of("text");
    let map = update_of(&editor(&replica, 1), |txn| {
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "k", "v".repeat(10_000));
    });
    assert!(matches!(
        replica.merge_into_copy(&[map]).1,
        Err(MergeError::TooLarge { limit: 10_000, .. })
    ));

    let doc = editor(&replica, 1);
    let many: Vec<_> = (0..101).map(|_| insert(&doc, 0, "x")).collect();
    let all = Bytes::from(yrs::merge_updates_v1(&many).unwrap());
    let limit = Some(MergeError::TooManyStructs { limit: 100 });
    assert_eq!(replica.merge_into_copy(&[all]).1.err(), limit);

    // Deletions of letters that do not exist yet: a client, the number of ranges, and for each its start and length.
    let deletions = |ranges: usize| {
        let mut update = vec![0, 1, 5];
        update.write_var(ranges);
        for range in 0..ranges {
            update.write_var(2 * range);
            update.write_var(1_usize);
        }
        Bytes::from(update)
    };
    let bounds = MergeBounds { document_structs: 200, ..bounds() };
    let (replica, missing) = replica.merge(&[deletions(400)], &bounds);
    assert_eq!(missing.err(), Some(MergeError::MissingDependencies));
    let too_many = Some(MergeError::TooManyDeletions { limit: 400 });
    assert_eq!(replica.unwrap().merge(&[deletions(401)], &bounds).1.err(), too_many);
}

/// Inserts maps into maps below `outer` and returns the innermost.
fn nest(txn: &mut TransactionMut<'_>, outer: MapRef, levels: usize) -> MapRef {
    (0..levels).fold(outer, |outer, _| outer.insert(txn, "inner", MapPrelim::default()))
}

#[test]
fn rejected_updates_do_not_count_as_nesting() {
    let replica = Replica::of("text");
    let rejected = update_of(&editor(&replica, 1), |txn| {
        let root = txn.get_or_insert_map("map");
        let inner = nest(txn, root, 90);
        inner.insert(txn, "k", "v".repeat(10_000));
    });
    let (replica, error) = replica.merge(&[rejected], &bounds());
    assert!(matches!(error, Err(MergeError::TooLarge { .. })));

    // The same client inserts 90 maps side by side, then nests 60 maps in the last one.
    let replica = replica.unwrap();
    let doc = editor(&replica, 1);
    let flat = update_of(&doc, |txn| {
        let root = txn.get_or_insert_map("map");
        for key in 0..90 {
            root.insert(txn, key.to_string(), MapPrelim::default());
        }
    });
    let (replica, _) = merge(replica, &[flat]);
    let nested = update_of(&doc, |txn| {
        let root = txn.get_or_insert_map("map");
        let last = root.get(txn, "89").unwrap().cast::<MapRef>().unwrap();
        nest(txn, last, 60);
    });
    let (_, merged) = merge(replica, &[nested]);
    assert!(merged.is_some());
}

#[test]
fn cursors_convert_to_relative_positions_and_back() {
    use protocol::domain::{Cursor, Position};

    use super::super::positions::Selection;

    let replica = Replica::of("one\ntwo 🎈\n");
    let cursor = |line, column, anchor: Option<(usize, usize)>| Cursor {
        head: Position::at(line, column),
        anchor: anchor.map(|(line, column)| Position::at(line, column)),
    };
    for cursor in [cursor(1, 4, None), cursor(0, 0, Some((1, 6))), cursor(2, 0, None)] {
        let (anchor, head) = replica.selection_of(cursor);
        let selection = Selection {
            anchor: serde_json::from_value(anchor).unwrap(),
            head: serde_json::from_value(head).unwrap(),
        };
        assert_eq!(replica.cursor_of(&selection), Some(cursor));
    }
    let elsewhere = serde_json::json!({ "type": null, "tname": "other", "item": null, "assoc": 0 });
    let elsewhere: yrs::StickyIndex = serde_json::from_value(elsewhere).unwrap();
    let selection = Selection { anchor: elsewhere.clone(), head: elsewhere };
    assert_eq!(replica.cursor_of(&selection), None);
}
