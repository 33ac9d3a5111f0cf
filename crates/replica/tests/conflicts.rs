//! Updates that would make the document slow to load are refused, and those of users who type are not.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

use std::time::Duration;

use bytes::Bytes;
use protocol::domain::{Budget, Delta};
use replica::{ApplyBounds, MergeBounds, MergeError, Merged, Replica};
use tokio::time::Instant;
use yrs::{
    Doc, Map as _, ReadTxn as _, StateVector, Text as _, Transact as _, Update,
    encoding::write::Write as _, updates::decoder::Decode as _,
};

type MergeResult = Result<Option<Merged>, MergeError>;

fn merge(replica: Replica, update: Bytes) -> (Replica, MergeResult) {
    let bounds = MergeBounds {
        text: 10_000_000,
        state: 10_000_000,
        structs: 100_000,
        document_structs: usize::MAX,
        clients: usize::MAX,
        compare_until: Instant::now().into_std() + Duration::from_secs(60),
        budget: Budget::unlimited(),
    };
    let (replica, merged) = replica.merge(&[update], &bounds);
    (replica.unwrap(), merged)
}

/// Returns an update in which each of these clients inserts a letter at the start of an empty text.
fn at_the_start(clients: impl ExactSizeIterator<Item = u32>) -> Bytes {
    let mut update = Vec::new();
    update.write_var(clients.len());
    for client in clients {
        update.push(1);
        update.write_var(client);
        update.extend([0, 4, 1]);
        update.write_string("content");
        update.write_string("a");
    }
    update.push(0);
    update.into()
}

/// Appends an insertion of a letter to the left of another.
fn left_of(update: &mut Vec<u8>, client: u32, clock: u32) {
    update.push(0x44);
    update.write_var(client);
    update.write_var(clock);
    update.write_string("b");
}

/// Returns an update in which a client writes a text and then as many letters in front of it, backwards.
fn backwards(client: u32, letters: u32) -> Bytes {
    backwards_in("content", client, letters)
}

fn backwards_in(root: &str, client: u32, letters: u32) -> Bytes {
    let mut update = vec![1];
    update.write_var(letters + 1);
    update.write_var(client);
    update.extend([0, 4, 1]);
    update.write_string(root);
    update.write_string(&"t".repeat(letters as usize));
    left_of(&mut update, client, 0);
    for letter in 0..letters - 1 {
        left_of(&mut update, client, letters + letter);
    }
    update.push(0);
    update.into()
}

#[test]
fn many_clients_at_one_place_are_refused() {
    // The larger clients first: in this order each search ends at once.
    let (replica, merged) = merge(Replica::of(""), at_the_start((20_000..32_000).rev()));
    assert!(merged.unwrap().is_some());
    let before = replica.state_vector();
    let (replica, merged) = merge(replica, at_the_start(40_000..52_000));
    assert_eq!(merged.err(), Some(MergeError::TooManyConflicts));
    assert_eq!(replica.state_vector(), before);
    let (_, merged) = merge(replica, backwards(7, 10));
    assert!(merged.unwrap().is_some());
}

#[test]
fn many_clients_at_one_place_are_refused_in_pieces_as_well() {
    let mut replica = Replica::of("");
    let mut clients = 0;
    loop {
        let last = 100_000 - clients;
        let (next, merged) = merge(replica, at_the_start((last - 500..last).rev()));
        replica = next;
        if merged.is_err_and(|error| error == MergeError::TooManyConflicts) {
            break;
        }
        clients += 500;
        assert!(clients < 30_000);
    }
    // Half of the pairs of 20,000 clients.
    assert!(clients >= 19_500, "{clients}");
}

#[test]
fn two_clients_are_refused_if_one_inserts_between_all_letters_of_the_other() {
    const LETTERS: u32 = 12_000;
    let (replica, merged) = merge(Replica::of(""), backwards(200, LETTERS));
    assert!(merged.unwrap().is_some());
    let mut between = vec![1];
    between.write_var(LETTERS - 1);
    between.extend([100, 0]);
    for letter in 1..LETTERS {
        left_of(&mut between, 200, 2 * LETTERS - letter);
    }
    between.push(0);
    let (_, merged) = merge(replica, between.into());
    assert_eq!(merged.err(), Some(MergeError::TooManyConflicts));
}

#[test]
fn editors_that_typed_offline_are_merged() {
    const EDITORS: u32 = 10;
    const LINES: u32 = 150;
    let mut replica = Replica::of("The text that all have.\n");
    let state = replica.state();
    let updates = (1..=EDITORS).map(|client| {
        let doc = Doc::with_client_id(u64::from(client));
        let text = doc.get_or_insert_text("content");
        doc.transact_mut().apply_update(Update::decode_v1(&state).unwrap()).unwrap();
        let before: StateVector = doc.transact().state_vector();
        for line in 0..LINES {
            text.insert(&mut doc.transact_mut(), 0, &format!("{line} of {client}\n"));
            // Between two others, so that it is a struct of its own.
            text.insert(&mut doc.transact_mut(), 1, "x");
        }
        Bytes::from(doc.transact().encode_state_as_update_v1(&before))
    });
    for update in updates {
        let (next, merged) = merge(replica, update);
        assert!(!merged.unwrap().unwrap().leaves_out);
        replica = next;
    }
    let lines = (EDITORS * LINES + 1) as usize;
    assert_eq!(replica.plain_text().lines().count(), lines);
}

#[test]
fn large_changes_of_one_user_are_merged() {
    let (replica, merged) = merge(Replica::of(""), backwards(7, 50_000));
    assert!(merged.unwrap().is_some());
    let mut replica = replica;
    let paste = Delta::insertion(&"0123456789".repeat(500_000));
    replica
        .apply(
            &paste,
            ApplyBounds { text: 10_000_000, structs: usize::MAX, budget: &Budget::unlimited() },
        )
        .unwrap();
    let doc = Doc::with_client_id(9);
    let map = doc.get_or_insert_map("map");
    let update = {
        let mut txn = doc.transact_mut();
        for key in 0..20_000 {
            map.insert(&mut txn, key.to_string(), key);
        }
        txn.commit();
        Bytes::from(txn.encode_update_v1())
    };
    let (_, merged) = merge(replica, update);
    assert!(merged.unwrap().is_some());
}

/// Returns an update of client 3 that puts an entry of the root `list` into its sequence, and another one in which it sets
/// that entry `count` times as if for the first time.
fn entries_in_a_sequence(count: u32) -> [Bytes; 2] {
    let entry = |update: &mut Vec<u8>, root: &str| {
        update.extend([0x24, 1]);
        update.write_string(root);
        update.write_string("key");
        update.write_string("e");
    };
    let mut into_the_sequence = vec![1, 2, 3, 0];
    entry(&mut into_the_sequence, "other");
    // Between the first letter of client 1 and the entry of the other map.
    into_the_sequence.extend([0xC4, 1, 0, 3, 0]);
    into_the_sequence.write_string("z");
    into_the_sequence.push(0);
    let mut entries = vec![1];
    entries.write_var(count);
    entries.extend([3, 2]);
    for _ in 0..count {
        entry(&mut entries, "list");
    }
    entries.push(0);
    [into_the_sequence.into(), entries.into()]
}

#[test]
fn entries_of_a_map_that_were_put_into_a_sequence_are_refused() {
    let (replica, merged) = merge(Replica::of(""), backwards_in("list", 1, 5_000));
    assert!(merged.unwrap().is_some());
    let [into_the_sequence, entries] = entries_in_a_sequence(9_000);
    let (replica, merged) = merge(replica, into_the_sequence);
    assert!(merged.unwrap().is_some(), "alone it takes no time");
    let (_, merged) = merge(replica, entries);
    assert_eq!(merged.err(), Some(MergeError::TooManyConflicts));
}

/// Many clients have deleted types with content, so the document has many collected structs.
#[test]
fn documents_with_many_collected_structs_accept_updates() {
    let mut update = Vec::new();
    update.write_var(25_000_u32);
    for client in (1_000..26_000_u32).rev() {
        update.push(2);
        update.write_var(client);
        update.extend([0, 0, 1, 0x24, 1]);
        update.write_string("cells");
        update.write_string(&client.to_string());
        update.write_string("x");
    }
    update.push(0);
    let (replica, merged) = merge(Replica::of(""), update.into());
    assert!(merged.unwrap().is_some());
    let (_, merged) = merge(replica, backwards(1, 3_000));
    assert!(merged.unwrap().is_some());
}
