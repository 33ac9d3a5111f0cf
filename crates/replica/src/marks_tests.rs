use yrs::{Array as _, GetString as _, Map as _};

use super::*;
use crate::{
    MergeError,
    editors::{bounds, editor, update_of},
};

#[test]
fn pages_cannot_change_the_root_map_of_the_server() {
    type Change = fn(&mut TransactionMut<'_>);
    let changes: [Change; 7] = [
        |txn| {
            txn.get_or_insert_map(MARKS).insert(txn, "body", "mine");
        },
        |txn| {
            txn.get_or_insert_map(MARKS).remove(txn, "body");
        },
        |txn| {
            txn.get_or_insert_map(MARKS).insert(txn, "history", "0");
        },
        |txn| {
            txn.get_or_insert_map(MARKS).insert(txn, "other", 1);
        },
        |txn| txn.get_or_insert_text(MARKS).insert(txn, 0, "text"),
        |txn| {
            txn.get_or_insert_array(MARKS).push_back(txn, 1);
        },
        // Nothing is left of it, but the server would keep the key.
        |txn| {
            let map = txn.get_or_insert_map(MARKS);
            map.insert(txn, "gone", 1);
            map.remove(txn, "gone");
        },
    ];
    for body in [Some("default"), None] {
        for (index, change) in changes.iter().enumerate() {
            let replica = Replica::with_body("", body);
            let update = update_of(&editor(&replica, 7), |txn| {
                txn.get_or_insert_text("content").insert(txn, 0, "and a text");
                change(txn);
            });
            let (replica, merged) = replica.merge(&[update], &bounds());
            if (index, body) == (1, None) {
                // There was no name to remove.
                assert_eq!(replica.unwrap().named_body(), None);
                continue;
            }
            assert_eq!(merged.err(), Some(MergeError::ServerRoot), "change {index}");
            // Values that replace others are found only after they were merged.
            assert_eq!(
                replica.is_some(),
                index > 2 || (index, body) == (0, None),
                "change {index}"
            );
        }
    }
}

#[test]
fn a_page_may_send_the_root_map_of_the_server_again() {
    let replica = Replica::with_body("", Some("default"));
    let page = editor(&replica, 7);
    let text = page.get_or_insert_text("content");
    text.insert(&mut page.transact_mut(), 0, "Hello");
    let all = page.transact().encode_state_as_update_v1(&yrs::StateVector::default());
    let (replica, merged) = replica.merge(&[all.into()], &bounds());
    assert!(merged.unwrap().is_some());
    let replica = replica.unwrap();
    assert_eq!(replica.named_body().as_deref(), Some("default"));
    assert_eq!(replica.text.get_string(&replica.doc.transact()), "Hello");
}
