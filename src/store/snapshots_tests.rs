//! Snapshots, and the changes that are forgotten because of them.

use chrono::Utc;
use entity::document_snapshot;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    FoundSnapshot, NewSnapshot, Snapshot, SnapshotState,
    log_tests::{ALL, versions},
    test_store::{TestStore, batch, edited, snapshot},
};
use crate::domain::Version;

#[tokio::test]
async fn the_newest_snapshot_at_or_before_a_version_is_found() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let changes = (0..4).map(|_| edited(ana, "x")).collect();
    store.commit(batch(document, 1, changes)).await.unwrap();
    store.store_snapshot(snapshot(document, Version::new(5), vec![5], 0)).await.unwrap();
    store.store_snapshot(snapshot(document, Version::new(5), vec![6], 0)).await.unwrap();
    // The document has no such version, so neither has a snapshot.
    store.store_snapshot(snapshot(document, Version::new(6), vec![7], 0)).await.unwrap();

    for (version, state) in [(1, b"one".to_vec()), (4, b"one".to_vec()), (5, vec![5]), (9, vec![5])]
    {
        let found = store.find_snapshot(document, Version::new(version)).await.unwrap().unwrap();
        assert_eq!(found.state, SnapshotState::Yjs(state), "at {version}");
    }
    assert_eq!(store.find_snapshot(document, Version::new(0)).await.unwrap(), None);
    let small = async |version, max_bytes| {
        store.find_small_snapshot(document, Version::new(version), max_bytes).await.unwrap()
    };
    let (version, state) = (Version::FIRST, SnapshotState::Yjs(b"one".to_vec()));
    assert_eq!(small(4, 3).await, Some(FoundSnapshot::Whole(Snapshot { version, state })));
    assert_eq!(small(4, 2).await, Some(FoundSnapshot::TooLarge { bytes: 3 }));
    assert_eq!(small(0, 3).await, None);
}

#[tokio::test]
async fn the_text_beside_a_snapshot_is_found_at_its_version_only() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let changes = (0..4).map(|_| edited(ana, "x")).collect();
    store.commit(batch(document, 1, changes)).await.unwrap();
    let with_text = |version, text: &str| NewSnapshot {
        body_text: Some(text.to_owned()),
        ..snapshot(document, Version::new(version), vec![1], 0)
    };
    let before = store.bytes(ana).await;
    store.store_snapshot(with_text(3, "Plan")).await.unwrap();
    assert_eq!(store.bytes(ana).await, before + 256 + 1 + "Plan".len() as u64);
    // PostgreSQL has no text with this character.
    store.store_snapshot(with_text(4, "no\0text")).await.unwrap();

    let found =
        async |version| store.find_body_text(document, Version::new(version)).await.unwrap();
    assert_eq!(found(3).await.as_deref(), Some("Plan"));
    for version in [1, 2, 4, 5] {
        assert_eq!(found(version).await, None, "at {version}");
    }
}

#[tokio::test]
async fn a_log_is_shortened_only_up_to_a_snapshot() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let (document, other) = (store.document(ana).await.id, store.document(ana).await.id);
    for text in ["a", "b", "c"] {
        store.change(document, edited(ana, text)).await.unwrap();
        store.change(other, edited(ana, text)).await.unwrap();
    }
    store.store_snapshot(snapshot(document, Version::new(3), vec![3], 0)).await.unwrap();

    let early = Utc::now() - chrono::TimeDelta::hours(1);
    assert_eq!(store.forget_changes(early).await.unwrap(), 0);
    assert_eq!(versions(&store.changes(document, 0, ALL).await), [2, 3, 4]);
    assert_eq!(store.forget_changes(Utc::now()).await.unwrap(), 1);
    assert_eq!(store.forget_changes(Utc::now()).await.unwrap(), 0);

    assert_eq!(versions(&store.changes(document, 0, ALL).await), [4]);
    assert_eq!(store.find_snapshot(document, Version::new(2)).await.unwrap(), None);
    assert!(store.find_snapshot(document, Version::new(4)).await.unwrap().is_some());
    assert_eq!(
        versions(&store.changes(other, 0, ALL).await),
        [2, 3, 4],
        "a log without a later snapshot is kept"
    );
}

#[tokio::test]
async fn a_document_that_is_closed_often_keeps_only_some_snapshots() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for version in 2..=12 {
        store.change(document, edited(ana, "x")).await.unwrap();
        store.store_snapshot(snapshot(document, Version::new(version), vec![1], 5)).await.unwrap();
    }

    let kept = document_snapshot::Entity::find()
        .filter(document_snapshot::Column::DocumentId.eq(document.uuid()))
        .all(&store.readers)
        .await
        .unwrap();
    let mut kept: Vec<i64> = kept.iter().map(|snapshot| snapshot.version).collect();
    kept.sort_unstable();
    // The first, about one for every five versions, and the last.
    assert_eq!(kept, [1, 5, 9, 12]);
}

#[tokio::test]
async fn a_long_log_is_shortened_in_several_steps() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let changes = (0..1_200).map(|_| edited(ana, "x")).collect();
    store.commit(batch(document, 1, changes)).await.unwrap();
    store.store_snapshot(snapshot(document, Version::new(1_101), vec![1], 0)).await.unwrap();

    let mut rounds = 0;
    while store.forget_changes(Utc::now()).await.unwrap() > 0 {
        rounds += 1;
        let newest = store.find_snapshot(document, Version::new(1_201)).await.unwrap().unwrap();
        assert_eq!(
            newest.version,
            Version::new(1_101),
            "the text can be opened between any two steps"
        );
    }

    assert_eq!(rounds, 3);
    let kept = versions(&store.changes(document, 0, ALL).await);
    assert_eq!((kept.first(), kept.len()), (Some(&1_102), 100));
    assert_eq!(store.find_snapshot(document, Version::new(1_100)).await.unwrap(), None);
}
