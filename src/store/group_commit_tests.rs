//! Group commit: batches share a commit, and none fails because of another.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    CommitError, StoreError,
    test_store::{TestStore, batch, edited},
};
use crate::domain::{AccessLevel::View, EditId, Fingerprint, UserId, Version};

#[tokio::test]
async fn batches_of_many_documents_share_a_commit() {
    let store = TestStore::with_commit_every(Duration::from_millis(100)).await;
    let ana = store.user("ana").await;
    let mut documents = vec![];
    for _ in 0..50 {
        documents.push(store.document(ana).await.id);
    }
    let commits = documents.iter().map(|document| {
        store.commit(batch(*document, 1, vec![edited(ana, "a"), edited(ana, "b")]))
    });

    let committed = join_all(commits).await;

    let mut times: Vec<_> = committed.into_iter().map(|committed| committed.unwrap().at).collect();
    times.dedup();
    // The first batches may have been stored in an earlier commit.
    assert!(times.len() <= 2, "{times:?}");
    for document in documents {
        let head = store.find_head(document).await.unwrap().unwrap();
        assert_eq!(head.version, Version::new(3));
    }
}

#[tokio::test]
async fn a_batch_that_pauses_is_stored_although_nothing_else_arrives() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let (first, second) = (store.document(ana).await.id, store.document(ana).await.id);
    let others = store.document(bo).await.id;
    let large = "x".repeat(1_000_000);
    store.change(first, edited(ana, &large)).await.unwrap();
    store.change(others, edited(bo, "b")).await.unwrap();

    let (large, small) = tokio::join!(
        store.change(second, edited(ana, &large)),
        store.change(first, edited(ana, "a"))
    );

    large.unwrap();
    small.unwrap();
}

#[tokio::test]
async fn a_rejected_batch_does_not_affect_the_others_of_its_group() {
    let store = TestStore::with_commit_every(Duration::from_millis(100)).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let good = store.document(ana).await.id;
    let denied = store.shared(ana, bo, View).await;
    let late = store.document(ana).await.id;
    let repeated = store.document(ana).await.id;
    let edit = Some((EditId::new("twice").unwrap(), Fingerprint([1; 16])));
    let named = || super::NewChange { edit: edit.clone(), ..edited(ana, "n") };
    store.commit(batch(repeated, 1, vec![named()])).await.unwrap();

    let outcomes = join_all([
        store.commit(batch(repeated, 2, vec![named()])),
        store.commit(batch(good, 1, vec![edited(ana, "a")])),
        store.commit(batch(denied, 1, vec![edited(bo, "b")])),
        store.commit(batch(late, 7, vec![edited(ana, "c")])),
        // A second batch of a document waits for the next commit, and its base version is outdated there.
        store.commit(batch(good, 1, vec![edited(ana, "d")])),
    ])
    .await;

    let [repeated_again, stored, refused, overtaken, second] = &outcomes[..] else { panic!() };
    assert!(matches!(repeated_again, Err(CommitError::Repeated)), "{repeated_again:?}");
    assert!(stored.is_ok(), "{stored:?}");
    assert!(matches!(refused, Err(CommitError::Denied(users)) if *users == [bo]), "{refused:?}");
    assert!(matches!(overtaken, Err(CommitError::Overtaken)), "{overtaken:?}");
    assert!(matches!(second, Err(CommitError::Overtaken)), "{second:?}");
    for (document, version) in [(good, 2), (denied, 1), (late, 1), (repeated, 2)] {
        let head = store.find_head(document).await.unwrap().unwrap();
        assert_eq!(head.version, Version::new(version));
    }
}

#[tokio::test]
async fn an_unavailable_database_fails_every_queued_batch() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let documents = [store.document(ana).await.id, store.document(ana).await.id];
    let other = store.open_again("rw").await.unwrap();
    let lock = other.begin().await.unwrap();

    let commit = |document| store.commit(batch(document, 1, vec![edited(ana, "a")]));
    for outcome in join_all(documents.map(commit)).await {
        let refused = matches!(outcome, Err(CommitError::Store(StoreError::Unavailable(_))));
        assert!(refused, "{outcome:?}");
    }

    lock.rollback().await.unwrap();
    for outcome in join_all(documents.map(commit)).await {
        outcome.unwrap();
    }
    let stranger = store.commit(batch(documents[0], 2, vec![edited(UserId::new(), "x")])).await;
    assert!(matches!(stranger, Err(CommitError::Denied(_))));
}

#[tokio::test]
async fn a_batch_that_waits_too_long_in_the_queue_is_not_stored() {
    let store = TestStore::with_start_within(Duration::ZERO).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    let late = store.commit(batch(document, 1, vec![edited(ana, "a")])).await;

    assert!(matches!(late, Err(CommitError::Store(StoreError::Unavailable(_)))), "{late:?}");
    assert_eq!(store.find_head(document).await.unwrap().unwrap().version, Version::FIRST);
}
