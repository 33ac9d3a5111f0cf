//! Updates with thousands of deleted ranges: their effect, their time, and the limits under which they are merged in parts.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use protocol::{domain::Budget, wire::yjs::Outline};
use replica::{MergeBounds, MergeError, Merged, Replica};
use support::{cpu_time, expect_linear_time};
use tokio::time::Instant;
use yrs::encoding::write::Write as _;

/// The most structs of an update, and the most deleted ranges that are merged at once.
const MAX_STRUCTS: usize = 100_000;

fn bounds(budget: Budget) -> MergeBounds {
    MergeBounds {
        text: 10_000_000,
        state: 10_000_000,
        structs: MAX_STRUCTS,
        document_structs: usize::MAX,
        clients: usize::MAX,
        compare_until: Instant::now().into_std() + Duration::from_secs(60),
        budget,
    }
}

/// The client that has typed the text, in one struct.
const AUTHOR: u32 = 7;

/// Returns a document with "ab" this many times.
fn document(pairs: u32) -> Replica {
    let mut update = vec![1, 1];
    update.write_var(AUTHOR);
    update.extend([0, 4, 1]);
    update.write_string("content");
    update.write_string(&"ab".repeat(pairs as usize));
    update.push(0);
    merge(Replica::of(""), &update.into(), Budget::unlimited()).0
}

/// Returns an update that deletes these letters, a range for each.
fn deletion(clocks: impl IntoIterator<Item = u32>) -> Bytes {
    let clocks: Vec<u32> = clocks.into_iter().collect();
    let mut update = vec![0, 1];
    update.write_var(AUTHOR);
    update.write_var(clocks.len());
    for clock in clocks {
        update.write_var(clock);
        update.push(1);
    }
    update.into()
}

/// Returns the clocks of all letters "b".
fn all_b(pairs: u32) -> impl DoubleEndedIterator<Item = u32> {
    (0..pairs).map(|pair| 2 * pair + 1)
}

fn merge(replica: Replica, update: &Bytes, budget: Budget) -> (Replica, Option<Merged>) {
    let (replica, merged) = replica.merge(std::slice::from_ref(update), &bounds(budget));
    (replica.unwrap(), merged.unwrap())
}

#[test]
fn ranges_in_any_order_delete_what_they_name() {
    let replica = document(3_000);
    let before = replica.content().clone();
    // Backwards, each pair of ranges as one range and twice.
    let clocks = all_b(3_000).rev().flat_map(|clock| [clock, clock]).chain(0..100);
    let (replica, merged) = merge(replica, &deletion(clocks), Budget::unlimited());
    let merged = merged.unwrap();
    assert!(!merged.leaves_out);
    assert_eq!(*replica.content(), *"a".repeat(2_950));
    assert_eq!(replica.plain_text(), replica.content().to_string());
    assert_eq!(before.apply(&merged.delta).unwrap(), *replica.content());
    let (loaded, stored) = (document(3_000), [&*merged.update]);
    assert_eq!(
        loaded.followed_by(stored, &Budget::unlimited()).unwrap().content(),
        replica.content()
    );
}

#[test]
fn each_repetition_of_an_update_continues_where_the_last_one_ended() {
    const PAIRS: u32 = 20_000;
    let (mut replica, update) = (document(PAIRS), deletion(all_b(PAIRS)));
    let mut merges = 0;
    loop {
        let before = replica.content().clone();
        let (next, merged) = merge(replica, &update, Budget::new(5_000));
        replica = next;
        let merged = merged.unwrap();
        assert_eq!(before.apply(&merged.delta).unwrap(), *replica.content());
        merges += 1;
        let deleted = before.units() - replica.content().units();
        if !merged.leaves_out {
            break;
        }
        // Almost the whole budget is spent on what is new.
        assert!((4_900..=5_000).contains(&deleted), "{deleted}");
    }
    assert!((4..=5).contains(&merges), "{merges}");
    assert_eq!(*replica.content(), *"a".repeat(PAIRS as usize));
    let (_, merged) = merge(replica, &update, Budget::new(5_000));
    assert!(merged.is_none());
}

#[test]
fn a_stopped_merge_has_deleted_something() {
    const PAIRS: u32 = 20_000;
    let (mut replica, update) = (document(PAIRS), deletion(all_b(PAIRS)));
    for _ in 0..3 {
        let before = replica.content().units();
        let budget = Budget::unlimited();
        budget.stop();
        let (next, merged) = merge(replica, &update, budget);
        replica = next;
        assert!(merged.unwrap().leaves_out);
        assert!((1..=32).contains(&(before - replica.content().units())));
    }
}

#[test]
fn at_most_as_many_new_ranges_are_merged_at_once_as_an_update_may_have_structs() {
    const PAIRS: u32 = 1_500;
    let update = deletion(all_b(PAIRS));
    let few = MergeBounds { structs: 1_000, ..bounds(Budget::unlimited()) };
    let (replica, merged) = document(PAIRS).merge(std::slice::from_ref(&update), &few);
    assert!(merged.unwrap().unwrap().leaves_out);
    let replica = replica.unwrap();
    assert_eq!(replica.content().units(), 2 * PAIRS as usize - 1_000);
    let (replica, merged) = replica.merge(&[update], &few);
    assert!(!merged.unwrap().unwrap().leaves_out);
    assert_eq!(replica.unwrap().content().units(), PAIRS as usize);
}

#[test]
fn updates_that_are_merged_together_delete_at_most_as_many_new_ranges_as_one() {
    const PAIRS: u32 = 1_000;
    // Each is one part by itself.
    let half = |first: u32| deletion(all_b(PAIRS).skip(first as usize).take(60));
    let updates = [half(0), half(60)];
    let few = MergeBounds { structs: 100, ..bounds(Budget::unlimited()) };
    let (replica, merged) = document(PAIRS).merge(&updates, &few);
    assert!(merged.unwrap().unwrap().leaves_out);
    let replica = replica.unwrap();
    assert_eq!(replica.content().units(), 2 * PAIRS as usize - 100);
    assert!(
        Outline::read(&replica.state(), usize::MAX).unwrap().struct_count() <= replica.structs()
    );
    // What is deleted already does not count, so a repetition goes on.
    let (replica, merged) = replica.merge(&updates, &few);
    assert!(!merged.unwrap().unwrap().leaves_out);
    assert_eq!(replica.unwrap().content().units(), 2 * PAIRS as usize - 120);
}

#[test]
fn an_insertion_is_merged_after_as_many_deletions_as_are_merged_at_once() {
    let few = MergeBounds { structs: 100, ..bounds(Budget::unlimited()) };
    let mut letter = vec![1, 1, 9, 0, 4, 1];
    letter.write_string("content");
    letter.write_string("c");
    letter.push(0);
    let updates = [deletion(all_b(100)), letter.into()];
    let (replica, merged) = document(100).merge(&updates, &few);
    assert!(!merged.unwrap().unwrap().leaves_out);
    assert_eq!(replica.unwrap().content().units(), 101);
}

#[test]
fn ranges_of_missing_insertions_are_requested() {
    let (replica, error) =
        document(100).merge(&[deletion(all_b(101))], &bounds(Budget::unlimited()));
    assert_eq!(error.err(), Some(MergeError::MissingDependencies));
    assert_eq!(replica.unwrap().content().units(), 200);
}

#[test]
fn deletions_that_the_document_has_already_do_not_count_as_new_structs() {
    const PAIRS: u32 = 3_000;
    let bounds = MergeBounds { document_structs: 10_000, ..bounds(Budget::unlimited()) };
    let (replica, merged) = document(PAIRS).merge(&[deletion(all_b(PAIRS))], &bounds);
    assert!(!merged.unwrap().unwrap().leaves_out);
    // What an editor sends that has typed a letter without a connection: the letter, and all deletions.
    let mut step_2 = vec![1, 1, 9, 0, 4, 1];
    step_2.write_string("content");
    step_2.write_string("c");
    step_2.extend(&deletion(all_b(PAIRS))[1..]);
    let (replica, merged) = replica.unwrap().merge(&[step_2.into()], &bounds);
    merged.unwrap().unwrap();
    assert_eq!(replica.unwrap().content().units(), PAIRS as usize + 1);
}

#[test]
fn deletions_leave_a_document_that_can_be_loaded() {
    const PAIRS: u32 = 3_000;
    let bounds = MergeBounds { document_structs: 2_000, ..bounds(Budget::unlimited()) };
    // One struct becomes some 4,000, twice as many as the document may have.
    let (replica, merged) = document(PAIRS).merge(&[deletion(all_b(PAIRS).take(1_900))], &bounds);
    merged.unwrap().unwrap();
    let (replica, refused) = replica.unwrap().merge(&[deletion(all_b(PAIRS).skip(1_900))], &bounds);
    assert_eq!(refused.err(), Some(MergeError::DocumentTooManyStructs { limit: 4_000 }));
    // A deletion that makes room is not refused.
    let mut all = vec![0, 1];
    all.write_var(AUTHOR);
    all.extend([1, 0]);
    all.write_var(2 * PAIRS);
    let (replica, merged) = replica.unwrap().merge(&[all.into()], &bounds);
    merged.unwrap().unwrap();
    assert_eq!(replica.unwrap().content().units(), 0);
}

#[test]
fn updates_that_are_too_large_together_are_merged_one_after_the_other() {
    const PAIRS: u32 = 4_000;
    let limits =
        MergeBounds { document_structs: 2_000, structs: 1_500, ..bounds(Budget::unlimited()) };
    // All together may have 4,000 ranges.
    let updates = [deletion(all_b(100)), deletion(all_b(3_950))];
    let (replica, merged) = document(PAIRS).merge(&updates, &limits);
    assert!(merged.unwrap().unwrap().leaves_out);
    assert_eq!(replica.unwrap().content().units(), 2 * PAIRS as usize - 100);
}

/// Refuses a letter in a full document, with and without a deletion, a hundred times.
fn time_to_refuse(pairs: u32) -> Duration {
    let (mut replica, _) = merge(document(pairs), &deletion(all_b(pairs)), Budget::unlimited());
    let mut letter = vec![1, 1, 9, 0, 4, 1];
    letter.write_string("content");
    letter.write_string("c");
    let without_deletion = Bytes::from([&*letter, &[0]].concat());
    let with_deletion = Bytes::from([&*letter, &deletion([0])[1..]].concat());
    let full = MergeBounds { document_structs: pairs as usize, ..bounds(Budget::unlimited()) };
    let mut refuse = |update: &Bytes| {
        let document = std::mem::replace(&mut replica, Replica::of(""));
        let (document, refused) = document.merge(std::slice::from_ref(update), &full);
        let limit = pairs as usize;
        assert_eq!(refused.err(), Some(MergeError::DocumentTooManyStructs { limit }));
        replica = document.unwrap();
    };
    // The first time the structs are counted.
    refuse(&without_deletion);
    cpu_time(|| {
        for _ in 0..100 {
            refuse(&without_deletion);
            refuse(&with_deletion);
        }
    })
}

#[test]
fn the_time_of_refused_letters_does_not_grow_with_the_document() {
    let [small, large] =
        [3_000, 48_000].map(|pairs| time_to_refuse(pairs).min(time_to_refuse(pairs)));
    assert!(large < 4 * small, "{small:?}, {large:?}");
}

fn time_to_delete(pairs: u32) -> Duration {
    let (replica, update) = (document(pairs), deletion(all_b(pairs)));
    cpu_time(|| {
        merge(replica, &update, Budget::unlimited());
    })
}

fn time_to_load_deletion(pairs: u32) -> Duration {
    let (replica, update) = (document(pairs), deletion(all_b(pairs)));
    cpu_time(|| {
        replica.followed_by([&*update], &Budget::unlimited()).unwrap();
    })
}

/// Returns an update that deletes these letters with this many equal ranges.
fn repeated_deletion(letters: u32, ranges: u32) -> Bytes {
    let mut update = vec![0, 1];
    update.write_var(AUTHOR);
    update.write_var(ranges);
    for _ in 0..ranges {
        update.push(0);
        update.write_var(letters);
    }
    update.into()
}

#[test]
fn equal_ranges_delete_what_they_name_once() {
    let (replica, merged) = merge(document(10), &repeated_deletion(19, 50), Budget::unlimited());
    assert!(!merged.unwrap().leaves_out);
    assert_eq!((*replica.content()).to_string(), "b");
}

/// Deletes a document of many structs with many equal ranges.
fn time_to_repeat(pairs: u32) -> Duration {
    let (replica, _) = merge(document(pairs), &deletion(all_b(pairs)), Budget::unlimited());
    let update = repeated_deletion(2 * pairs, 10 * pairs);
    cpu_time(|| {
        merge(replica, &update, Budget::unlimited());
    })
}

#[test]
fn the_time_of_equal_ranges_grows_with_their_number_and_not_with_that_of_structs() {
    expect_linear_time("equal ranges", 300, time_to_repeat);
}

#[test]
fn the_time_of_a_deletion_grows_with_its_ranges_and_not_with_their_square() {
    expect_linear_time("merge", 6_000, time_to_delete);
    expect_linear_time("stored update", 6_000, time_to_load_deletion);
}
