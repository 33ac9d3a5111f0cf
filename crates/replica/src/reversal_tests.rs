use proptest::{collection::vec, prelude::*};
use yrs::{
    Any, Array as _, Doc, GetString as _, Map as _, MapPrelim, Text as _, Transact as _,
    TransactionMut, WriteTxn as _, XmlElementPrelim, XmlFragment as _, XmlOut, XmlTextPrelim,
    types::Attrs,
};

use super::*;
use crate::editors::{bold, bounds, copy, edited, editor};

/// A client that is larger than those of reversals, as nearly all are.
const ANA: u64 = 3_000_000_000;
const BO: u64 = 4_000_000_000;

fn reversal(before: &Replica, after: &Replica) -> Reversal {
    Reversal::between(Some(before), copy(after), &bounds()).unwrap().unwrap()
}

/// Takes back what has changed between two versions, and shows that the change reaches all who have the document.
fn taken_back(before: &Replica, after: &Replica, present: &Replica) -> Replica {
    reversed(&reversal(before, after), present)
}

fn reversed(reversal: &Reversal, present: &Replica) -> Replica {
    let (replica, reversed) = copy(present).reverse(reversal, &bounds());
    let Restored { delta, update } = reversed.unwrap().unwrap();
    let replica = replica.unwrap();
    assert_eq!(present.content().apply(&delta).unwrap(), *replica.content());
    let (peer, merged) = copy(present).merge(&[update], &bounds());
    assert_eq!(merged.unwrap().unwrap().delta, delta);
    assert_eq!(peer.unwrap().content_json(), replica.content_json());
    replica
}

fn write(txn: &mut TransactionMut<'_>, at: u32, text: &str) {
    txn.get_or_insert_text("content").insert(txn, at, text);
}

fn add_paragraph(txn: &mut TransactionMut<'_>, at: u32, text: &str) {
    let body = txn.get_or_insert_xml_fragment("default");
    let paragraph = body.insert(txn, at, XmlElementPrelim::empty("paragraph"));
    paragraph.insert(txn, 0, XmlTextPrelim::new(text));
}

fn xml(replica: &Replica) -> String {
    let doc = editor(replica, 1);
    let mut txn = doc.transact_mut();
    let body = txn.get_or_insert_xml_fragment("default");
    body.get_string(&txn)
}

#[test]
fn without_other_changes_the_document_is_as_before() {
    let before = edited(&Replica::of("Hello world"), ANA, |txn| {
        let text = txn.get_or_insert_text("content");
        text.format(txn, 0, 5, bold());
        let image = Any::from_json(r#"{ "image": "cat.png" }"#).unwrap();
        text.insert_embed(txn, 5, image);
        add_paragraph(txn, 0, "First");
        txn.get_or_insert_map("cells").insert(txn, "a1", 12.5);
        txn.get_or_insert_array("list").insert_range(txn, 0, [1, 2, 3]);
    });
    let after = edited(&before, BO, |txn| {
        let text = txn.get_or_insert_text("content");
        text.remove_range(txn, 3, 4);
        text.format(txn, 0, 3, Attrs::from([("bold".into(), Any::Null)]));
        text.insert(txn, 3, "new ");
        let body = txn.get_or_insert_xml_fragment("default");
        body.remove_range(txn, 0, 1);
        add_paragraph(txn, 0, "Other");
        let cells = txn.get_or_insert_map("cells");
        cells.insert(txn, "a1", "gone");
        cells.insert(txn, "new", 1);
        let list = txn.get_or_insert_array("list");
        list.remove_range(txn, 1, 1);
        list.insert(txn, 0, MapPrelim::from([("n", 0)]));
        txn.get_or_insert_text("later").insert(txn, 0, "A root that did not exist");
    });

    let back = taken_back(&before, &after, &after);

    assert_eq!(back.content_json(), before.content_json());
    // The reversal can be taken back as well.
    let again = taken_back(&after, &back, &back);
    assert_eq!(again.content_json(), after.content_json());
}

#[test]
fn a_deleted_subdocument_is_inserted_again() {
    let before = edited(&Replica::of("Book"), ANA, |txn| {
        txn.get_or_insert_map("chapters").insert(txn, "first", Doc::new());
    });
    let after = edited(&before, BO, |txn| {
        txn.get_or_insert_map("chapters").remove(txn, "first");
    });
    let (back, reversed) = copy(&after).reverse(&reversal(&before, &after), &bounds());
    assert!(reversed.unwrap().is_some());
    assert_eq!(back.unwrap().content_json(), before.content_json());
}

#[test]
fn what_others_have_written_since_stays() {
    let before = Replica::of("Hello world");
    let after = edited(&before, ANA, |txn| {
        write(txn, 5, " big");
        txn.get_or_insert_text("content").remove_range(txn, 10, 5);
    });
    assert_eq!(after.content().to_string(), "Hello big ");
    let present = edited(&after, BO, |txn| {
        write(txn, 10, "!");
        // In the middle of what is taken back, and before it.
        write(txn, 7, "(?)");
        write(txn, 0, "Oh, ");
    });
    assert_eq!(present.content().to_string(), "Oh, Hello b(?)ig !");

    let back = taken_back(&before, &after, &present);

    assert_eq!(back.content().to_string(), "Oh, Hello(?) world!");
}

#[test]
fn what_another_user_writes_meanwhile_is_merged() {
    let before = edited(&Replica::of(""), ANA, |txn| {
        ["One", "Two"].into_iter().rev().for_each(|text| add_paragraph(txn, 0, text));
    });
    let after = edited(&before, ANA + 1, |txn| {
        txn.get_or_insert_xml_fragment("default").remove_range(txn, 1, 1);
        add_paragraph(txn, 0, "Zero");
    });
    let doc = editor(&after, BO);
    let mut txn = doc.transact_mut();
    let body = txn.get_or_insert_xml_fragment("default");
    let Some(XmlOut::Element(one)) = body.get(&txn, 1) else { panic!("there is no paragraph") };
    let Some(XmlOut::Text(text)) = one.get(&txn, 0) else { panic!("there is no text") };
    text.insert(&mut txn, 3, " and a half");
    txn.commit();
    let theirs: Bytes = txn.encode_update_v1().into();
    drop(txn);

    let back = taken_back(&before, &after, &after);
    let (merged, _) = back.merge(&[theirs], &bounds());

    let expected = "<paragraph>One and a half</paragraph><paragraph>Two</paragraph>";
    assert_eq!(xml(&merged.unwrap()), expected);
}

#[test]
fn exactly_what_was_inserted_is_deleted() {
    let before = Replica::of("very good");
    let after = edited(&before, ANA, |txn| write(txn, 0, "very "));
    // The comparison of the texts could take either word for the new one.
    let present = edited(&after, BO, |txn| {
        txn.get_or_insert_text("content").format(txn, 5, 5, bold());
    });

    let back = taken_back(&before, &after, &present);

    let expected = edited(&before, BO, |txn| {
        txn.get_or_insert_text("content").format(txn, 0, 5, bold());
    });
    assert_eq!(back.content_json(), expected.content_json());
}

#[test]
fn a_value_that_was_set_since_stays() {
    let set = |replica: &Replica, client, value: &'static str| {
        edited(replica, client, |txn| {
            txn.get_or_insert_map("cells").insert(txn, "a1", value);
        })
    };
    let before = set(&Replica::of(""), ANA, "first");
    let after = set(&before, ANA + 1, "second");
    let present = set(&after, BO, "third");
    let (back, reversed) = copy(&present).reverse(&reversal(&before, &after), &bounds());
    reversed.unwrap();
    assert_eq!(back.unwrap().content_json(), present.content_json());
}

#[test]
fn a_value_that_a_client_with_a_small_id_has_set_since_stays() {
    let before = edited(&Replica::of("Hello world"), ANA, |txn| {
        txn.get_or_insert_map("cells").insert(txn, "a1", "first");
        add_paragraph(txn, 0, "One");
    });
    let after = edited(&before, ANA + 1, |txn| {
        txn.get_or_insert_map("cells").insert(txn, "a1", "second");
        txn.get_or_insert_text("content").remove_range(txn, 5, 6);
        txn.get_or_insert_xml_fragment("default").remove_range(txn, 0, 1);
    });
    for client in [1, 40, 1_000] {
        let present = edited(&after, client, |txn| {
            txn.get_or_insert_map("cells").insert(txn, "a1", "third");
            write(txn, 0, "Oh, ");
        });
        let back = taken_back(&before, &after, &present);
        assert_eq!(back.content().to_string(), "Oh, Hello world");
        assert_eq!(xml(&back), "<paragraph>One</paragraph>");
        assert_eq!(back.content_json()["roots"]["cells"]["a1"], "third", "client {client}");
    }
}

#[test]
fn a_value_that_another_reversal_has_brought_back_stays() {
    let set = |replica: &Replica, client, value: &'static str| {
        edited(replica, client, |txn| {
            txn.get_or_insert_map("cells").insert(txn, "a1", value);
        })
    };
    let first = set(&Replica::of("Hello"), ANA, "first");
    let second = set(&first, ANA + 1, "second");
    let third = set(&second, BO, "third");
    // Which of two random ids is smaller differs from one attempt to the next.
    for _attempt in 0..10 {
        // Both follow the value "third".
        let present = taken_back(&first, &third, &third);
        let (back, reversed) = copy(&present).reverse(&reversal(&second, &third), &bounds());
        reversed.unwrap();
        assert_eq!(back.unwrap().content_json()["roots"]["cells"]["a1"], "first");
    }
}

#[test]
fn smaller_ids_are_used_up_one_after_the_other() {
    let mut known = HashMap::new();
    let mut least = 200;
    while let Some(client) = client_below(least, &known) {
        assert!(client < least && least - client <= MAX_CLIENT_STEP);
        known.insert(client, 1);
        least = client;
    }
    assert_eq!(least, 0);
    let taken: HashMap<u64, u32> = (10..200).map(|client| (client, 1)).collect();
    assert_eq!(client_below(200, &taken), Some(9));
}

#[test]
fn a_reversal_of_what_is_gone_changes_nothing() {
    let before = Replica::of("Hello");
    let after = edited(&before, ANA, |txn| write(txn, 5, " world"));
    let gone = taken_back(&before, &after, &after);
    let (again, reversed) = gone.reverse(&reversal(&before, &after), &bounds());
    assert!(reversed.unwrap().is_none());
    assert_eq!(again.unwrap().content().to_string(), "Hello");
    assert!(Reversal::between(Some(&before), copy(&before), &bounds()).unwrap().is_none());
}

#[test]
fn the_first_version_is_taken_back_as_well() {
    let first = Replica::of("Hello");
    let present = edited(&first, BO, |txn| write(txn, 5, " world"));
    let creation = Reversal::between(None, copy(&first), &bounds()).unwrap().unwrap();
    let back = reversed(&creation, &present);
    assert_eq!(back.content().to_string(), " world");
    // It is still the same document.
    let (_, reversed) = back.reverse(&reversal(&first, &present), &bounds());
    assert!(reversed.is_ok());
}

#[test]
fn another_history_refuses_a_reversal() {
    let before = Replica::of("Hello");
    let after = edited(&before, ANA, |txn| write(txn, 5, " world"));
    let (replica, refused) =
        Replica::of("Hello world").reverse(&reversal(&before, &after), &bounds());
    assert_eq!(refused.err(), Some(ReversalError::OtherHistory));
    assert_eq!(replica.unwrap().content().to_string(), "Hello world");
    // As a compaction does: the same content in another history.
    let compacted = Reversal::between(Some(&before), Replica::of("Hello"), &bounds());
    assert_eq!(compacted.err(), Some(ReversalError::OtherHistory));
}

#[test]
fn a_reversal_that_exceeds_the_budget_is_refused() {
    let before = Replica::of("Hello");
    let after = edited(&before, ANA, |txn| write(txn, 5, " world"));
    let exhausted = MergeBounds { budget: Budget::new(0), ..bounds() };
    let refused = Reversal::between(Some(&before), copy(&after), &exhausted).err();
    assert_eq!(refused, Some(RestoreError::Exhausted(Exhausted::Steps).into()));
}

proptest! {
    /// Small letters are those of the version before, digits are inserted by the changes that are taken back, and capital letters
    /// by others.
    #[test]
    fn the_letters_before_return_and_those_of_others_stay(
        changes in vec((any::<u32>(), 0..4_u32), 1..8),
        others in vec(any::<u32>(), 0..6),
    ) {
        let letters = "abcdefghijklmnop";
        let before = Replica::of(letters);
        let after = edited(&before, ANA, |txn| {
            let text = txn.get_or_insert_text("content");
            for (place, deleted) in &changes {
                let length = text.len(txn);
                let at = place % (length + 1);
                match (*deleted).min(length - at) {
                    0 => text.insert(txn, at, "123"),
                    count => text.remove_range(txn, at, count),
                }
            }
        });
        let present = edited(&after, BO, |txn| {
            let text = txn.get_or_insert_text("content");
            for (letter, place) in ('A'..='Z').zip(&others) {
                let at = place % (text.len(txn) + 1);
                text.insert(txn, at, &letter.to_string());
            }
        });

        let reversal = Reversal::between(Some(&before), copy(&after), &bounds()).unwrap();
        let back = match &reversal {
            Some(reversal) => {
                let (replica, reversed) = copy(&present).reverse(reversal, &bounds());
                reversed.unwrap();
                replica.unwrap()
            }
            None => copy(&present),
        };

        let text = back.content().to_string();
        let only = |is_kept: fn(&char) -> bool| text.chars().filter(is_kept).collect::<String>();
        prop_assert_eq!(only(char::is_ascii_lowercase), letters);
        prop_assert_eq!(only(char::is_ascii_digit), "");
        prop_assert_eq!(only(char::is_ascii_uppercase).len(), others.len());
    }
}
