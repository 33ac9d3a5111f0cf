use yrs::{Doc, Map as _, Text as _, WriteTxn as _};

use super::*;
use crate::editors::{bounds, editor};

fn adopt(state: Vec<u8>, body: Option<&str>) -> Result<Replica, MergeError> {
    let (state, bounds) = (Bytes::from(state), bounds());
    let (replica, _merged) = Replica::to_adopt(&state, &bounds)?.merge_large(&state, &bounds)?;
    replica.adopted(body, &bounds.budget)
}

fn state_of(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&yrs::StateVector::default())
}

#[test]
fn a_document_of_coscribe_keeps_its_history_and_its_body() {
    let original = Replica::with_body("", Some("notes"));
    let page = editor(&original, 7);
    let notes = page.get_or_insert_text("notes");
    notes.insert(&mut page.transact_mut(), 0, "Hello");
    let copy = adopt(state_of(&page), None).unwrap();
    assert_eq!(copy.named_body().as_deref(), Some("notes"));
    assert_eq!(copy.body_text(100).as_deref(), Some("Hello"));
    assert_eq!(copy.named_body(), original.named_body());

    // A page with the original goes on with the copy. Others still cannot.
    notes.insert(&mut page.transact_mut(), 5, " again");
    let (copy, merged) = copy.merge(&[state_of(&page).into()], &bounds());
    assert!(merged.unwrap().is_some());
    let copy = copy.unwrap();
    assert_eq!(copy.body_text(100).as_deref(), Some("Hello again"));
    let other = Bytes::from(Replica::of("Other").state());
    assert_eq!(copy.merge(&[other], &bounds()).1.err(), Some(MergeError::Unrelated));
}

#[test]
fn a_named_body_replaces_the_name_in_the_state() {
    let original = Replica::with_body("Hello", Some("content"));
    let copy = adopt(original.state(), Some("notes")).unwrap();
    assert_eq!(copy.named_body().as_deref(), Some("notes"));
    assert!(
        copy.clocks().into_keys().all(|client| client > MAX_CLIENT),
        "it is a part of the creation"
    );
    let kept = adopt(original.state(), Some("content")).unwrap();
    assert_eq!(kept.state(), original.state());
}

#[test]
fn a_state_of_another_server_gets_a_history_mark() {
    let doc = Doc::with_client_id(3_u64);
    doc.get_or_insert_text("content").insert(&mut doc.transact_mut(), 0, "Hello");
    let replica = adopt(state_of(&doc), Some("content")).unwrap();
    assert_eq!(replica.named_body().as_deref(), Some("content"));
    assert_eq!(*replica.content(), *"Hello");
    let marks = replica.clocks().into_keys().filter(|client| *client > MAX_CLIENT);
    assert_eq!(marks.count(), 1);
}

#[test]
fn marks_that_no_server_has_written_are_refused() {
    type Change = fn(&mut yrs::TransactionMut<'_>);
    let high: u64 = MAX_CLIENT + 5;
    let changes: [(u64, Change); 6] = [
        // A text of such a client, without a mark.
        (high, |txn| txn.get_or_insert_text("content").insert(txn, 0, "x")),
        (high, |txn| {
            txn.get_or_insert_map("coscribe").insert(txn, "history", "other");
        }),
        (high, |txn| {
            txn.get_or_insert_map("coscribe").insert(txn, "history", "100000004");
            txn.get_or_insert_map("coscribe").insert(txn, "more", 1);
        }),
        (high, |txn| {
            txn.get_or_insert_map("coscribe").insert(txn, "history", "100000004");
            txn.get_or_insert_map("coscribe").insert(txn, "body", f64::NAN);
        }),
        (high, |txn| {
            txn.get_or_insert_map("coscribe").insert(txn, "history", "100000004");
            txn.get_or_insert_map("coscribe").insert(txn, "body", "coscribe");
        }),
        (3, |txn| {
            txn.get_or_insert_map("coscribe").insert(txn, "body", "notes");
        }),
    ];
    for (client, change) in changes {
        let doc = Doc::with_client_id(client);
        change(&mut doc.transact_mut());
        let refused = adopt(state_of(&doc), None).err().unwrap();
        let expected = if client == high { MergeError::Unrelated } else { MergeError::ServerRoot };
        assert_eq!(refused, expected);
    }
    // The same mark, as a server writes it.
    let doc = Doc::with_client_id(high);
    doc.get_or_insert_map("coscribe").insert(&mut doc.transact_mut(), "history", "100000004");
    assert!(adopt(state_of(&doc), None).is_ok());
}
