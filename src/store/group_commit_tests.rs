//! Batches that share a commit: all are stored, and none fails because of another.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    CommitError, StoreError,
    test_store::{TestStore, batch, edited},
};
use crate::domain::{AccessLevel::View, EditId, Fingerprint, UserId, Version};

#[tokio::test]
async fn batches_of_many_documents_are_stored_together() {
    let store = TestStore::with_pace(Duration::from_millis(100)).await;
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
    // Those that came first may have gone alone.
    assert!(times.len() <= 2, "{times:?}");
    for document in documents {
        let head = store.find_head(document).await.unwrap().unwrap();
        assert_eq!(head.version, Version::new(3));
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_batch_is_not_the_others_affair() {
    let store = TestStore::with_pace(Duration::from_millis(100)).await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let good = store.document(ana).await.id;
    let denied = store.shared(ana, bo, View).await;
    let late = store.document(ana).await.id;
    let repeated = store.document(ana).await.id;
    let edit = Some((EditId::new("twice").unwrap(), Fingerprint([1; 16])));
    let named = || super::NewChange { edit: edit.clone(), ..edited(ana, "n") };
    store.commit(batch(repeated, 1, vec![named()])).await.unwrap();

    let answers = join_all([
        store.commit(batch(repeated, 2, vec![named()])),
        store.commit(batch(good, 1, vec![edited(ana, "a")])),
        store.commit(batch(denied, 1, vec![edited(bo, "b")])),
        store.commit(batch(late, 7, vec![edited(ana, "c")])),
        // The same document once more waits for the next commit, and is late there.
        store.commit(batch(good, 1, vec![edited(ana, "d")])),
    ])
    .await;

    let [repeated_again, stored, refused, overtaken, second] = &answers[..] else { panic!() };
    assert!(matches!(repeated_again, Err(CommitError::Repeated)), "{repeated_again:?}");
    assert!(stored.is_ok(), "{stored:?}");
    assert!(matches!(refused, Err(CommitError::Denied(who)) if *who == [bo]), "{refused:?}");
    assert!(matches!(overtaken, Err(CommitError::Overtaken)), "{overtaken:?}");
    assert!(matches!(second, Err(CommitError::Overtaken)), "{second:?}");
    for (document, version) in [(good, 2), (denied, 1), (late, 1), (repeated, 2)] {
        let head = store.find_head(document).await.unwrap().unwrap();
        assert_eq!(head.version, Version::new(version));
    }
}

#[tokio::test]
async fn a_database_that_is_away_fails_all_who_wait_for_it() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let documents = [store.document(ana).await.id, store.document(ana).await.id];
    let other = store.open_again("rw").await.unwrap();
    let lock = other.begin().await.unwrap();

    let commit = |document| store.commit(batch(document, 1, vec![edited(ana, "a")]));
    for answer in join_all(documents.map(commit)).await {
        let refused = matches!(answer, Err(CommitError::Store(StoreError::Unavailable(_))));
        assert!(refused, "{answer:?}");
    }

    lock.rollback().await.unwrap();
    for answer in join_all(documents.map(commit)).await {
        answer.unwrap();
    }
    let stranger = store.commit(batch(documents[0], 2, vec![edited(UserId::new(), "x")])).await;
    assert!(matches!(stranger, Err(CommitError::Denied(_))));
}

#[tokio::test]
async fn a_batch_that_waited_too_long_for_its_turn_is_refused_unstored() {
    let store = TestStore::with_turn_within(Duration::ZERO).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    let late = store.commit(batch(document, 1, vec![edited(ana, "a")])).await;

    assert!(matches!(late, Err(CommitError::Store(StoreError::Unavailable(_)))), "{late:?}");
    assert_eq!(store.find_head(document).await.unwrap().unwrap().version, Version::FIRST);
}
