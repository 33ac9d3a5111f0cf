use futures_util::{FutureExt as _, poll};

use super::*;
use crate::domain::UserId;

const LONG: Duration = Duration::from_secs(9);

fn user() -> Party {
    Party::User(UserId::new())
}

fn memory(of_user: usize) -> Arc<DocumentMemory> {
    DocumentMemory::new(MemoryBounds { of_user, of_node: 100 }, Metrics::new())
}

fn place(memory: &Arc<DocumentMemory>) -> ReplicaPlace {
    memory.place_of(DocumentId::new())
}

fn is_asked(place: &ReplicaPlace) -> bool {
    place.give_way().notified().now_or_never().is_some()
}

#[test]
fn the_least_used_replica_of_the_user_with_the_most_gives_way() {
    let memory = memory(100);
    let (mallory, alice) = (user(), user());
    let [first, second, third, own] = [(); 4].map(|()| place(&memory));
    own.note(alice, 30, None);
    first.note(mallory, 30, None);
    second.note(mallory, 30, None);
    first.note(mallory, 30, None);
    assert!(![&first, &second, &own].into_iter().any(is_asked));
    third.note(mallory, 20, None);
    assert!(is_asked(&second));
    assert!(![&first, &third, &own].into_iter().any(is_asked), "one is enough");
    second.note(mallory, 0, None);
    // What was given up makes room for others.
    own.note(alice, 40, None);
    assert!(![&first, &third, &own].into_iter().any(is_asked));
}

#[test]
fn a_user_whose_replicas_were_asked_for_has_less() {
    let memory = memory(100);
    let (mallory, alice) = (user(), user());
    let [first, second, own, more] = [(); 4].map(|()| place(&memory));
    first.note(mallory, 40, None);
    second.note(mallory, 40, None);
    own.note(alice, 45, None);
    assert!(is_asked(&first) && !is_asked(&second) && !is_asked(&own));
    // Before the first is given up, Alice has the most of what remains.
    more.note(alice, 20, None);
    assert!(is_asked(&own) && !is_asked(&second));
    first.note(mallory, 0, None);
    own.note(alice, 0, None);
    let documents = memory.documents.lock();
    assert_eq!((documents.total, documents.asked), (60, 0));
    assert_eq!((documents.by_payer[&mallory], documents.by_payer[&alice]), (40, 20));
}

#[test]
fn replicas_of_a_user_who_has_too_many_give_way_but_for_the_last_one() {
    let memory = memory(50);
    let (mallory, alice) = (user(), user());
    let [first, second, third, own] = [(); 4].map(|()| place(&memory));
    own.note(alice, 30, None);
    first.note(mallory, 20, None);
    second.note(mallory, 20, None);
    first.note(mallory, 20, None);
    assert!(![&first, &second, &own].into_iter().any(is_asked));
    third.note(mallory, 20, None);
    assert!(is_asked(&second) && ![&first, &third, &own].into_iter().any(is_asked));
    second.note(mallory, 0, None);
    third.note(mallory, 60, None);
    assert!(is_asked(&first) && !is_asked(&third) && !is_asked(&own));
}

#[test]
fn a_replica_that_is_too_large_by_itself_gives_way() {
    let memory = memory(100);
    let large = place(&memory);
    large.note(user(), 200, None);
    assert!(is_asked(&large));
    // It was in use, and is asked again after each use.
    large.note(user(), 200, None);
    assert!(is_asked(&large));
}

#[test]
fn a_closed_room_holds_nothing() {
    let memory = memory(100);
    let (first, second) = (place(&memory), place(&memory));
    first.note(user(), 90, None);
    drop(first);
    second.note(user(), 90, None);
    assert!(!is_asked(&second));
    let documents = memory.documents.lock();
    assert!(documents.total == 90 && documents.by_payer.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_waits_until_replicas_and_other_loads_have_made_room() {
    let memory = memory(100);
    let (alice, mallory) = (user(), user());
    let (heavy, own) = (place(&memory), place(&memory));
    heavy.note(mallory, 40, None);
    own.note(alice, 20, None);
    let mut first = memory.begin_load(mallory);
    assert!(first.try_grow_to(40) && first.try_grow_to(30));
    let mut second = memory.begin_load(alice);
    assert!(!second.try_grow_to(30));
    assert!(!is_asked(&heavy), "it may not have to wait");
    let mut waiting = Box::pin(second.wait_for(30, LONG));
    assert!(poll!(&mut waiting).is_pending());
    assert!(is_asked(&heavy) && heavy.is_asked() && !is_asked(&own));
    // It was in use, and is asked again.
    heavy.note(mallory, 71, None);
    assert!(heavy.is_asked());
    heavy.note(mallory, 0, None);
    assert!(waiting.now_or_never().unwrap());
    drop(first);
    let mut third = memory.begin_load(mallory);
    assert!(third.try_grow_to(50));
    assert!(!third.wait_for(51, LONG).await, "alice has the rest");
    assert_eq!(memory.documents.lock().wanted, 0);
}

#[test]
fn a_load_becomes_a_replica() {
    let memory = memory(100);
    let (place, alice) = (place(&memory), user());
    let mut load = memory.begin_load(alice);
    assert!(load.try_grow_to(60));
    place.note(alice, 50, Some(load));
    assert!(!is_asked(&place));
    assert_eq!(memory.documents.lock().total, 50);
    // What has to be counted makes others give way.
    memory.begin_load(alice).count(51);
    assert!(is_asked(&place));
    drop(place);
    let documents = memory.documents.lock();
    assert!(documents.total == 0 && documents.by_payer.is_empty() && documents.asked == 0);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_heavier_than_the_bound_is_loaded_by_itself() {
    let memory = memory(100);
    let used = place(&memory);
    used.note(user(), 20, None);
    let [mut heavy, mut other] = [(); 2].map(|()| memory.begin_load(user()));
    assert!(heavy.wait_for(1_000, LONG).await);
    assert!(!other.wait_for(1_000, LONG).await);
    drop(heavy);
    assert!(other.wait_for(1_000, LONG).await);
}

#[test]
fn a_replica_is_noted_again_once_it_has_grown_by_more_than_a_sixteenth() {
    let memory = memory(100);
    let place = place(&memory);
    assert!(!place.is_outdated(0) && place.is_outdated(1));
    place.note(user(), 32, None);
    for (bytes, is_outdated) in [(0, true), (29, true), (30, false), (34, false), (35, true)] {
        assert_eq!(place.is_outdated(bytes), is_outdated, "{bytes}");
    }
}
