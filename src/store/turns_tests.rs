use std::{
    cell::Cell,
    future::{pending, ready},
};

use futures_util::{FutureExt as _, future::join_all, poll};

use super::*;
use crate::{
    domain::UserId,
    store::test_store::{TestStore, edited, title},
};

fn users() -> [Party; 2] {
    [(); 2].map(|()| Party::User(UserId::new()))
}

fn turns(connections: u32) -> StoreTurns {
    StoreTurns::new(connections, connections, Duration::from_secs(5))
}

#[tokio::test]
async fn a_thousand_reads_of_one_user_leave_places_for_another() {
    let (turns, [mallory, alice]) = (turns(4), users());
    let mut flood = Box::pin(join_all((0..1_000).map(|_| turns.read(mallory, pending::<()>()))));
    assert!(poll!(&mut flood).is_pending());
    assert!(turns.read(alice, ready(())).now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn reads_and_writes_have_turns_of_their_own() {
    let (turns, [mallory, _]) = (turns(1), users());
    let mut reading = Box::pin(turns.read(mallory, pending::<()>()));
    assert!(poll!(&mut reading).is_pending());
    assert!(turns.write(mallory, ready(())).now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn too_many_reads_of_one_user_are_refused_and_those_of_another_are_not() {
    let (turns, [mallory, alice]) = (turns(2), users());
    // One has a place.
    let mut flood: Vec<_> = (0..=MAX_WAITING_OF_PARTY)
        .map(|_| Box::pin(turns.read(mallory, pending::<()>())))
        .collect();
    for read in &mut flood {
        assert!(poll!(read).is_pending());
    }
    let refused = turns.read(mallory, ready(())).now_or_never();
    assert!(matches!(refused, Some(Err(StoreError::Busy))));
    assert!(turns.read(alice, ready(())).now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_turn_has_an_end() {
    let (turns, [mallory, alice]) = (turns(1), users());
    let mut reading = Box::pin(turns.read(mallory, pending::<()>()));
    let mut writing = Box::pin(turns.write(mallory, pending::<()>()));
    assert!(poll!(&mut reading).is_pending() && poll!(&mut writing).is_pending());
    assert!(matches!(turns.read(alice, ready(())).await, Err(StoreError::Busy)));
    let patient = turns.write_patiently(alice, ready("stored"));
    let impatient = async {
        assert!(matches!(turns.write(alice, ready(())).await, Err(StoreError::Busy)));
        drop(writing);
    };
    assert_eq!(tokio::join!(patient, impatient).0.unwrap(), "stored");
}

#[tokio::test]
async fn writes_of_one_user_delay_a_commit_and_writes_of_others_by_few() {
    const WRITES: usize = 600;
    /// Fewer than all by far. With PostgreSQL, others are stored beside the commit, and each of them takes less time.
    const FEW: usize = 200;
    let store = TestStore::new().await;
    let (ana, mallory) = (store.user("ana").await, store.user("mallory").await);
    let document = store.document(ana).await.id;
    let stored = Cell::new(0);
    let flood = join_all((0..WRITES).map(|_| async {
        store.create_document(mallory, title("Mine"), 0, vec![]).await.unwrap();
        stored.set(stored.get() + 1);
    }));
    let others = async {
        store.change(document, edited(ana, "x")).await.unwrap();
        let before_commit = stored.get();
        store.create_document(ana, title("Plan"), 0, vec![]).await.unwrap();
        let before_write = stored.get();
        assert!(before_commit < FEW, "{before_commit} writes before a commit");
        assert!(before_write < 2 * FEW, "{before_write} writes before another");
    };
    // The flood is polled first, so all its writes wait before the commit does.
    tokio::join!(biased; flood, others);
    assert_eq!(stored.get(), WRITES);
}
