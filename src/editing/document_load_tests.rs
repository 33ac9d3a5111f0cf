use std::future::pending;

use futures_util::{FutureExt as _, future::join_all, poll};
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{DisplayName, Email, Party, Title, UserId},
    editing::{CorruptDocument, Replica, version_difference::VersionPair},
    memory::{DocumentMemory, MemoryBounds},
    metrics::Metrics,
    store::{NewAccount, SnapshotState, Store, test_store},
};

const BOUNDS: LoadBounds =
    LoadBounds { at_once: 1, within: Duration::from_secs(60), structs: 1_000 };

/// The memory of all documents together.
const MEMORY: usize = 100 * 1024 * 1024;

async fn loader(bounds: LoadBounds) -> (DocumentLoader, Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let store = Store::open(&test_store::options(url)).await.unwrap();
    store.migrate_up().await.unwrap();
    let memory =
        DocumentMemory::new(MemoryBounds { of_user: MEMORY, of_node: MEMORY }, Metrics::new());
    (DocumentLoader::new(store.clone(), bounds, memory, Metrics::new()), store, folder)
}

async fn create(store: &Store, state: Vec<u8>) -> DocumentId {
    let account = NewAccount {
        name: DisplayName::new("Ana").unwrap(),
        email: Email::new(&format!("{}@example.org", UserId::new())).unwrap(),
        password_hash: "hash".into(),
    };
    let owner = store.create_account(account, Party::Node).await.unwrap().id;
    let title = Title::new("Plan").unwrap();
    store.create_document(owner, title, 1, state).await.unwrap().id
}

fn user() -> Party {
    Party::User(UserId::new())
}

fn target(party: Party) -> Target {
    Target { document: DocumentId::new(), version: Version::FIRST, party }
}

#[tokio::test]
async fn a_document_waits_as_soon_as_it_turns_out_to_be_large() {
    let (loader, _store, _folder) = loader(BOUNDS).await;
    let place = loader.places(LoadClass::Medium).acquire(Party::Node).await.unwrap();
    let mut large = DocumentLoad::begin(&loader, target(user())).unwrap();
    let mut small = DocumentLoad::begin(&loader, target(user())).unwrap();
    large.admit_page(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
    {
        let mut admission = Box::pin(large.admit_page(1));
        assert!(poll!(&mut admission).is_pending());
        small.admit_page(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
        drop(place);
        admission.await.unwrap();
    }
    assert_eq!((large.class(), small.class()), (LoadClass::Medium, LoadClass::Small));
}

#[tokio::test]
async fn a_document_of_medium_size_does_not_wait_for_heavy_ones() {
    let (loader, _store, _folder) = loader(BOUNDS).await;
    let mut heavy = DocumentLoad::begin(&loader, target(user())).unwrap();
    heavy.expect_snapshot(MAX_MEDIUM_COST + 1).now_or_never().unwrap().unwrap();
    let mut waiting = DocumentLoad::begin(&loader, target(user())).unwrap();
    waiting.expect_snapshot(MAX_MEDIUM_COST).now_or_never().unwrap().unwrap();
    // It turns out to be heavy. It begins again, without the place and the memory that it had.
    let admitted = waiting.admit_page(1).now_or_never().unwrap();
    assert!(matches!(admitted, Err(LoadError::Busy)) && waiting.begins_again());
    assert!(waiting.take_memory().is_none());
    {
        let mut admission = Box::pin(waiting.expect_snapshot(MAX_MEDIUM_COST));
        assert!(poll!(&mut admission).is_pending());
        let mut medium = DocumentLoad::begin(&loader, target(user())).unwrap();
        medium.expect_snapshot(MAX_MEDIUM_COST).now_or_never().unwrap().unwrap();
        assert_eq!(medium.class(), LoadClass::Medium);
        drop(heavy);
        admission.await.unwrap();
    }
    assert_eq!(waiting.class(), LoadClass::Heavy);
}

#[tokio::test]
async fn a_heavy_document_is_not_read_before_there_is_memory() {
    let (loader, _store, _folder) = loader(LoadBounds { at_once: 4, ..BOUNDS }).await;
    let [mut first, mut second] =
        [(); 2].map(|()| DocumentLoad::begin(&loader, target(user())).unwrap());
    first.expect_snapshot(MEMORY / 4).await.unwrap();
    assert_eq!(first.take_memory().unwrap().bytes(), MEMORY / 4 * 3, "the state and the replica");
    first.expect_snapshot(MEMORY / 4).await.unwrap();
    {
        let mut reading = Box::pin(second.expect_snapshot(MEMORY / 4));
        assert!(poll!(&mut reading).is_pending());
        let mut medium = DocumentLoad::begin(&loader, target(user())).unwrap();
        medium.expect_snapshot(MAX_MEDIUM_COST).now_or_never().unwrap().unwrap();
        drop((first, medium));
        reading.await.unwrap();
    }
    let mut third = DocumentLoad::begin(&loader, target(user())).unwrap();
    tokio::time::pause();
    assert!(matches!(third.expect_snapshot(MEMORY / 2).await, Err(LoadError::Busy)));
}

#[tokio::test]
async fn small_versions_do_not_wait_for_the_turn_of_large_ones() {
    let (loader, store, _folder) = loader(BOUNDS).await;
    let small = create(&store, Replica::of("Hello").state()).await;
    let _turn = loader.turn_to_earlier(user()).await.unwrap();
    loader.earlier(small, Version::FIRST, user()).await.unwrap();
    let pair = VersionPair { document: small, from: Version::new(0), to: Version::FIRST };
    loader.compare(pair, user()).await.unwrap();
    let large = create(&store, Replica::of(&"x".repeat(100 * 1024)).state()).await;
    assert!(loader.replica_if_small(large, Version::FIRST, user()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_snapshot_is_dropped_while_it_waits_for_the_memory_of_its_structs() {
    let (loader, store, _folder) = loader(LoadBounds { structs: 1_000_000, ..BOUNDS }).await;
    // Each of these letters at the start is a struct: some 400 bytes of memory, and few in the state.
    let structs: usize = 140_000;
    let document = create(&store, backwards(structs)).await;
    let mut other = loader.memory().begin_load(user());
    assert!(other.try_grow_to(MEMORY / 2));
    let mut reading = Box::pin(loader.replica(document, Version::FIRST, user()));
    let mut waits = false;
    // It reads the snapshot, which fits, and waits for more.
    while !waits {
        tokio::select! {
            biased;
            _ = &mut reading => panic!("it did not wait"),
            () = tokio::task::yield_now() => waits = loader.memory().wanted() > 400 * structs,
        }
    }
    drop(other);
    let loaded = reading.await.unwrap();
    assert_eq!(loaded.replica.content().bytes(), structs);
    assert_eq!(loaded.memory.unwrap().bytes(), loaded.replica.memory());
}

/// Returns the state of a document in which each letter was inserted before the last one.
fn backwards(letters: usize) -> Vec<u8> {
    let doc = yrs::Doc::new();
    let text = yrs::Doc::get_or_insert_text(&doc, "content");
    let mut txn = yrs::Transact::transact_mut(&doc);
    for _ in 0..letters {
        yrs::Text::insert(&text, &mut txn, 0, "x");
    }
    yrs::ReadTxn::encode_state_as_update_v1(&txn, &yrs::StateVector::default())
}

#[tokio::test]
async fn a_document_of_medium_size_that_takes_long_begins_again_among_the_heavy_ones() {
    let (loader, _store, _folder) = loader(BOUNDS).await;
    let mut loading = DocumentLoad::begin(&loader, target(user())).unwrap();
    loading.expect_snapshot(MAX_MEDIUM_COST).await.unwrap();
    loading.worked = MEDIUM_WITHIN;
    let worked = loading.work(MAX_MEDIUM_COST, endless).await;
    assert!(matches!(worked, Err(LoadError::Busy)) && loading.begins_again());
    assert!(!loading.begins_again());
    loading.expect_snapshot(MAX_MEDIUM_COST).await.unwrap();
    assert_eq!(loading.class(), LoadClass::Heavy);
    loading.work(MAX_MEDIUM_COST, |budget| Ok(budget.spend(1)?)).await.unwrap();
}

/// Works until it is stopped.
fn endless(budget: &Budget) -> Result<(), StateError> {
    loop {
        budget.spend(0)?;
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_large_document_does_not_wait_for_ever() {
    let (loader, _store, _folder) = loader(BOUNDS).await;
    let _place = loader.places(LoadClass::Medium).acquire(Party::Node).await.unwrap();
    let mut loading = DocumentLoad::begin(&loader, target(Party::Node)).unwrap();
    tokio::time::pause();
    assert!(matches!(loading.admit_page(MAX_INLINE_BYTES + 1).await, Err(LoadError::Busy)));
}

#[tokio::test]
async fn a_small_state_of_many_structs_is_large() {
    let mut replica = Replica::of("");
    assert!(cost_of(replica.state()).await < 1_000);
    for letter in 0..2_100 {
        // At the start, so that no two letters are joined.
        let delta = serde_json::from_value(serde_json::json!([{ "insert": "x" }])).unwrap();
        let budget = Budget::unlimited();
        let bounds =
            crate::editing::ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &budget };
        replica.apply(&delta, bounds).unwrap();
        assert_eq!(replica.content().bytes(), letter + 1);
    }
    let state = replica.state();
    assert!(state.len() < MAX_INLINE_BYTES);
    assert!(cost_of(state).await > MAX_INLINE_BYTES);
}

async fn cost_of(state: Vec<u8>) -> usize {
    let snapshot = Snapshot { version: Version::FIRST, state: SnapshotState::Yjs(state) };
    SnapshotSize::measure(snapshot).await.unwrap().1.cost()
}

#[tokio::test]
async fn work_that_takes_too_long_is_stopped_and_closes_the_document_off() {
    let (loader, _store, _folder) =
        loader(LoadBounds { within: Duration::from_millis(20), ..BOUNDS }).await;
    let target = target(user());
    let mut loading = DocumentLoad::begin(&loader, target).unwrap();
    loading.snapshot = Some(target.version);
    loading.admit_page(MAX_INLINE_BYTES + 1).await.unwrap();
    let worked = loading.work(MAX_INLINE_BYTES + 1, endless).await;
    let Err(LoadError::TooHeavy(cause @ TooHeavy::Time { .. })) = loading.finish(worked) else {
        panic!("it was not stopped")
    };
    let again = DocumentLoad::begin(&loader, target).err();
    assert!(matches!(again, Some(LoadError::TooHeavy(again)) if again == cause));
    // The place is free again.
    loader.places(LoadClass::Medium).acquire(target.party).now_or_never().unwrap().unwrap();
}

#[tokio::test]
async fn pieces_of_work_share_one_budget() {
    let (loader, _store, _folder) = loader(LoadBounds { structs: 5, ..BOUNDS }).await;
    let mut loading = DocumentLoad::begin(&loader, target(user())).unwrap();
    let spend = |budget: &Budget| Ok(budget.spend(4)?);
    for _ in 0..2 {
        loading.work(MAX_INLINE_BYTES + 1, spend).await.unwrap();
    }
    let worked = loading.work(MAX_INLINE_BYTES + 1, spend).await;
    assert!(matches!(worked, Err(LoadError::TooHeavy(TooHeavy::Structs { limit: 10 }))));
}

#[tokio::test]
async fn a_document_of_too_many_structs_is_closed_off() {
    let (loader, store, _folder) = loader(LoadBounds { structs: 10, ..BOUNDS }).await;
    let mut state = vec![21];
    for client in 1..22 {
        state.extend([1, client, 0, 4, 1, 1, b'a', 1, b'x']);
    }
    state.push(0);
    let document = create(&store, state).await;
    for _ in 0..2 {
        let content = loader.content(document, Version::FIRST, user()).await;
        assert!(matches!(content, Err(LoadError::TooHeavy(TooHeavy::Structs { limit: 20 }))));
        let replica = loader.replica(document, Version::FIRST, user()).await.err();
        assert!(matches!(replica, Some(LoadError::TooHeavy(_))));
    }
}

#[tokio::test]
async fn a_corrupt_document_is_not_closed_off() {
    let (loader, store, _folder) = loader(BOUNDS).await;
    let document = create(&store, b"no state".to_vec()).await;
    for _ in 0..2 {
        let content = loader.content(document, Version::FIRST, user()).await;
        assert!(matches!(content, Err(LoadError::Corrupt(CorruptDocument { .. }))));
    }
}

#[tokio::test]
async fn one_party_holds_a_quarter_of_the_places() {
    let (loader, _store, _folder) = loader(LoadBounds { at_once: 8, ..BOUNDS }).await;
    let (queue, [mallory, alice]) = (loader.places(LoadClass::Heavy), [user(), user()]);
    let _two = [queue.acquire(mallory).await.unwrap(), queue.acquire(mallory).await.unwrap()];
    assert!(queue.acquire(mallory).now_or_never().is_none());
    assert!(queue.acquire(alice).now_or_never().is_some());
}

#[tokio::test]
async fn a_document_is_read_in_the_turns_of_the_party() {
    let (loader, store, _folder) = loader(BOUNDS).await;
    let document = create(&store, Replica::of("x").state()).await;
    let [mallory, alice] = [user(), user()];
    let held = join_all((0..8).map(|_| store.read_for(mallory, pending::<()>())));
    tokio::select! {
        biased;
        _ = held => unreachable!("it has no end"),
        _ = loader.content(document, Version::FIRST, mallory) => panic!("it had no turn"),
        text = loader.content(document, Version::FIRST, alice) => {
            assert_eq!(text.unwrap().to_string(), "x");
        }
    }
    let text = loader.content(document, Version::FIRST, mallory).await.unwrap();
    assert_eq!(text.to_string(), "x");
}
