use futures_util::{FutureExt as _, poll};
use tempfile::TempDir;

use super::*;
use crate::{
    domain::{DisplayName, Email, Title, UserId},
    editing::{CorruptDocument, Replica},
    metrics::Metrics,
    store::{NewAccount, Store, test_store},
};

const BOUNDS: LoadBounds =
    LoadBounds { at_once: 1, within: Duration::from_secs(60), structs: 1_000 };

async fn loader(bounds: LoadBounds) -> (DocumentLoader, Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let store = Store::open(&test_store::options(url)).await.unwrap();
    store.migrate_up().await.unwrap();
    (DocumentLoader::new(store.clone(), bounds, Metrics::new()), store, folder)
}

async fn create(store: &Store, state: Vec<u8>) -> DocumentId {
    let account = NewAccount {
        name: DisplayName::new("Ana").unwrap(),
        email: Email::new("ana@example.org").unwrap(),
        password_hash: "hash".into(),
    };
    let owner = store.create_account(account).await.unwrap().id;
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
    let place = loader.queue().acquire(Party::Node).await.unwrap();
    let mut large = DocumentLoad::begin(&loader, target(user())).unwrap();
    let mut small = DocumentLoad::begin(&loader, target(user())).unwrap();
    large.admit(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
    {
        let mut admission = Box::pin(large.admit(1));
        assert!(poll!(&mut admission).is_pending());
        small.admit(MAX_INLINE_BYTES).now_or_never().unwrap().unwrap();
        drop(place);
        admission.await.unwrap();
    }
    assert!(large.has_place() && !small.has_place());
    large.admit(usize::MAX).now_or_never().unwrap().unwrap();
}

#[tokio::test]
async fn a_large_document_does_not_wait_for_ever() {
    let (loader, _store, _folder) = loader(BOUNDS).await;
    let _place = loader.queue().acquire(Party::Node).await.unwrap();
    let mut loading = DocumentLoad::begin(&loader, target(Party::Node)).unwrap();
    tokio::time::pause();
    assert!(matches!(loading.admit(MAX_INLINE_BYTES + 1).await, Err(LoadError::Busy)));
}

#[tokio::test]
async fn a_small_state_of_many_structs_is_large() {
    let mut replica = Replica::of("");
    let mut state = replica.state();
    assert!(
        cost_of(&Snapshot { version: Version::FIRST, state: SnapshotState::Yjs(state) }) < 1_000
    );
    for letter in 0..2_100 {
        // At the start, so that no two letters are joined.
        let delta = serde_json::from_value(serde_json::json!([{ "insert": "x" }])).unwrap();
        let budget = Budget::unlimited();
        let bounds =
            crate::editing::ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &budget };
        replica.apply(&delta, bounds).unwrap();
        assert_eq!(replica.content().bytes(), letter + 1);
    }
    state = replica.state();
    assert!(state.len() < MAX_INLINE_BYTES);
    let snapshot = Snapshot { version: Version::FIRST, state: SnapshotState::Yjs(state) };
    assert!(cost_of(&snapshot) > MAX_INLINE_BYTES);
}

#[tokio::test]
async fn work_that_takes_too_long_is_stopped_and_closes_the_document_off() {
    let (loader, _store, _folder) =
        loader(LoadBounds { within: Duration::from_millis(20), ..BOUNDS }).await;
    let target = target(user());
    let mut loading = DocumentLoad::begin(&loader, target).unwrap();
    loading.snapshot = Some(target.version);
    loading.admit(MAX_INLINE_BYTES + 1).await.unwrap();
    let work = |budget: &Budget| -> Result<(), StateError> {
        loop {
            budget.spend(0)?;
            std::thread::yield_now();
        }
    };
    let worked = loading.work(MAX_INLINE_BYTES + 1, work).await;
    let Err(LoadError::TooHeavy(cause @ TooHeavy::Time { .. })) = loading.finish(worked) else {
        panic!("it was not stopped")
    };
    let again = DocumentLoad::begin(&loader, target).err();
    assert!(matches!(again, Some(LoadError::TooHeavy(again)) if again == cause));
    // The place is free again.
    loader.queue().acquire(target.party).now_or_never().unwrap().unwrap();
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
    let (queue, [mallory, alice]) = (loader.queue(), [user(), user()]);
    let _two = [queue.acquire(mallory).await.unwrap(), queue.acquire(mallory).await.unwrap()];
    assert!(queue.acquire(mallory).now_or_never().is_none());
    assert!(queue.acquire(alice).now_or_never().is_some());
}
