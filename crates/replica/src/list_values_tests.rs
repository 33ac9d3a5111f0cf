use std::{sync::mpsc, thread, time::Duration};

use bytes::Bytes;
use protocol::domain::{Budget, CompareUntil};
use serde_json::json;
use yrs::{Doc, StateVector, Transact as _, WriteTxn as _, XmlElementPrelim, XmlFragment as _};

use crate::{
    DocumentBody, Insertions, PassageSearch, Replica,
    editors::{bounds, copy},
};

/// How long the work on a small document may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs work that a loop without an end would never finish.
fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Returns a document into which a page has written.
fn written(work: impl FnOnce(&mut yrs::TransactionMut<'_>)) -> Replica {
    use yrs::ReadTxn as _;

    let page = Doc::with_client_id(7_u64);
    work(&mut page.transact_mut());
    let state = page.transact().encode_state_as_update_v1(&StateVector::default());
    merged(Replica::of("Text"), state)
}

fn merged(replica: Replica, update: Vec<u8>) -> Replica {
    let (replica, merged) = replica.merge(&[Bytes::from(update)], &bounds());
    merged.unwrap();
    replica.unwrap()
}

/// Documents in which a sequence has text and is read as a list.
fn documents() -> Vec<(&'static str, Replica)> {
    use yrs::{Array as _, Text as _};

    // A `Y.Array` in the map `m` that holds the text of an emoji, which no editor writes.
    let nested = [1, 2, 3, 0, 39, 1, 1, 109, 1, 116, 0, 4, 0, 3, 0, 4, 240, 159, 152, 128, 0];
    vec![
        ("a text in a list", merged(Replica::of("Text"), nested.to_vec())),
        (
            "a root type as text and list",
            written(|txn| {
                txn.get_or_insert_text("l").insert(txn, 0, "😀a");
                txn.get_or_insert_array("l").insert(txn, 3, 1);
            }),
        ),
        (
            "a root type as text and XML",
            written(|txn| {
                txn.get_or_insert_text("l").insert(txn, 0, "😀");
                txn.get_or_insert_xml_fragment("l").insert(txn, 0, XmlElementPrelim::empty("p"));
            }),
        ),
        ("a text", written(|txn| txn.get_or_insert_text("l").insert(txn, 0, "a😀b"))),
        (
            "an embedded emoji",
            written(|txn| {
                txn.get_or_insert_text("l").insert_embed(txn, 0, yrs::Any::from("😀"));
            }),
        ),
    ]
}

#[test]
fn text_that_is_read_as_a_list_stops_nothing() {
    let list = || {
        written(|txn| {
            let list = txn.get_or_insert_array("l");
            yrs::Array::insert_range(&list, txn, 0, [1, 2, 3]);
        })
    };
    for (name, replica) in documents() {
        for other in [Replica::of("Text"), list()] {
            let (here, there) = (copy(&replica), copy(&other));
            let shown = within(&format!("the JSON of {name}"), move || {
                let difference = |from: &Replica, to: &Replica| {
                    let until = CompareUntil {
                        deadline: bounds().compare_until,
                        budget: Budget::unlimited(),
                    };
                    from.difference_to(to, &until).map(|found| found.roots)
                };
                let _either_way = (difference(&here, &there), difference(&there, &here));
                let _root = (here.root_json("l"), here.root_json("m"), here.body_text(1_000));
                here.content_json()
            });
            assert_ne!(shown, Replica::of("Text").content_json(), "{name}");
            for (from, to) in [(&replica, &other), (&other, &replica)] {
                let (from, to) = (copy(from), copy(to));
                within(&format!("restoring from or to {name}"), move || {
                    let (replica, restored) = from.restore(&to, &bounds());
                    match restored {
                        Ok(_change) => {
                            assert_eq!(replica.unwrap().content_json(), to.content_json());
                        }
                        Err(error) => drop(error.to_string()),
                    }
                });
            }
        }
        let (here, again, third) = (copy(&replica), copy(&replica), copy(&replica));
        within(&format!("replacing {name}"), move || {
            for json in [json!([1, "a"]), json!([{ "insert": "a" }]), json!([{ "type": "p" }])] {
                let body = DocumentBody::new("l", None, json).unwrap();
                let (_replica, _replaced) = copy(&here).replace_body(&body, &bounds());
            }
        });
        within(&format!("compacting {name}"), move || drop(again.compacted()));
        within(&format!("the passages of {name}"), move || {
            let search = PassageSearch { root: None, skip: 0, max: 100 };
            drop(third.passages(&Insertions::default(), search, &Budget::unlimited()));
        });
    }
}
