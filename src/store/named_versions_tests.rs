//! Named versions: naming, counting, keeping and deleting them.

use chrono::Utc;
use entity::named_version;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use super::{MAX_NAMED, NamedVersion, NewNamedVersion};
use crate::{
    domain::{
        AccessLevel::{Edit, View},
        DocumentId, UserId, Version, VersionName,
    },
    store::{
        FoundSnapshot, Quotas, Snapshot, SnapshotState, StoreError,
        test_store::{TestStore, batch, deleted, edited, snapshot},
    },
};

const STATE: &[u8] = b"state";

fn named(version: i64, name: &str) -> (i64, String) {
    (version, name.to_owned())
}

impl TestStore {
    async fn give_name(
        &self,
        actor: UserId,
        document: DocumentId,
        version: i64,
        name: &str,
    ) -> Result<NamedVersion, StoreError> {
        let (version, name) = (Version::new(version), VersionName::new(name).unwrap());
        let new =
            NewNamedVersion { actor, document, version, at: None, name, state: STATE.to_vec() };
        self.name_version(new).await
    }

    async fn list_names(&self, document: DocumentId) -> Vec<(i64, String)> {
        let mut listed = self.list_named_versions([document]).await.unwrap();
        let named = listed.remove(&document).unwrap_or_default();
        named.iter().map(|one| (one.version.number(), one.name.to_string())).collect()
    }
}

#[tokio::test]
async fn a_version_gets_a_name_another_one_and_none() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.commit(batch(document, 1, vec![edited(ana, "x")])).await.unwrap();

    let first = store.give_name(bo, document, 1, "First").await.unwrap();
    assert_eq!((first.version, &*first.name), (Version::FIRST, "First"));
    assert_eq!(store.list_named_versions([document]).await.unwrap()[&document], [first]);
    store.give_name(ana, document, 2, "Second").await.unwrap();
    store.give_name(ana, document, 1, "Draft").await.unwrap();

    assert_eq!(store.list_names(document).await, [named(2, "Second"), named(1, "Draft")]);
    assert!(store.unname_version(ana, document, Version::new(2)).await.unwrap());
    assert!(!store.unname_version(bo, document, Version::new(2)).await.unwrap());
    assert_eq!(store.list_names(document).await, [named(1, "Draft")]);
    let lost = store.give_name(ana, document, 3, "Never").await;
    assert!(matches!(lost, Err(StoreError::Denied)), "there is no such version");
}

#[tokio::test]
async fn only_editors_name_versions() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, View).await;
    store.give_name(ana, document, 1, "Draft").await.unwrap();
    for stranger in [bo, store.user("mallory").await] {
        let refused = store.give_name(stranger, document, 1, "Mine").await;
        assert!(matches!(refused, Err(StoreError::Denied)), "{refused:?}");
        let refused = store.unname_version(stranger, document, Version::FIRST).await;
        assert!(matches!(refused, Err(StoreError::Denied)), "{refused:?}");
    }
    assert_eq!(store.list_names(document).await, [named(1, "Draft")]);
}

#[tokio::test]
async fn only_the_namer_and_owners_change_a_name() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.commit(batch(document, 1, vec![edited(ana, "x")])).await.unwrap();
    store.give_name(ana, document, 1, "Sent").await.unwrap();
    store.give_name(bo, document, 2, "Draft").await.unwrap();

    let refused = store.give_name(bo, document, 1, "Mine").await;
    assert!(matches!(refused, Err(StoreError::NotNamer)), "{refused:?}");
    let refused = store.unname_version(bo, document, Version::FIRST).await;
    assert!(matches!(refused, Err(StoreError::NotNamer)), "{refused:?}");
    assert_eq!(store.list_names(document).await, [named(2, "Draft"), named(1, "Sent")]);

    store.give_name(bo, document, 2, "Second draft").await.unwrap();
    assert!(store.unname_version(bo, document, Version::new(2)).await.unwrap());
    store.give_name(bo, document, 2, "Third draft").await.unwrap();
    assert!(store.unname_version(ana, document, Version::new(2)).await.unwrap());
}

#[tokio::test]
async fn the_content_of_a_named_version_outlives_the_log() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    for text in ["a", "b", "c"] {
        store.change(document, edited(ana, text)).await.unwrap();
    }
    let version = Version::new(2);
    store.give_name(ana, document, 2, "Draft").await.unwrap();
    store.store_snapshot(snapshot(document, Version::new(4), vec![4], 0)).await.unwrap();
    while store.forget_changes(Utc::now()).await.unwrap() > 0 {}
    assert_eq!(store.find_snapshot(document, version).await.unwrap(), None);

    let found = async |version, max_bytes| {
        store.find_named_content(document, Version::new(version), max_bytes).await.unwrap()
    };
    let state = SnapshotState::Yjs(STATE.to_vec());
    assert_eq!(found(2, 5).await, Some(FoundSnapshot::Whole(Snapshot { version, state })));
    assert_eq!(found(2, 4).await, Some(FoundSnapshot::TooLarge { bytes: 5 }));
    assert_eq!(found(3, 5).await, None);
    assert!(store.is_named(document, version).await.unwrap());
    assert!(!store.is_named(document, Version::new(3)).await.unwrap());
    // The snapshot that the log depends on is not affected.
    store.unname_version(ana, document, version).await.unwrap();
    assert!(store.find_snapshot(document, Version::new(4)).await.unwrap().is_some());
}

#[tokio::test]
async fn named_versions_count_for_the_owner() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    let used = async || store.load_usage(ana).await.unwrap().bytes;
    let without = used().await;
    let row = 256 + STATE.len() as u64;

    store.give_name(bo, document, 1, "Draft").await.unwrap();
    assert_eq!(used().await, without + row + 5);
    store.give_name(bo, document, 1, "Go").await.unwrap();
    assert_eq!(used().await, without + row + 2);
    store.unname_version(bo, document, Version::FIRST).await.unwrap();
    assert_eq!(used().await, without);
}

#[tokio::test]
async fn a_quota_and_a_number_limit_named_versions() {
    let quotas = Quotas { bytes_per_user: 1_000, ..Quotas::default() };
    let store = TestStore::with_options(|options| options.quotas = quotas).await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    store.commit(batch(document, 1, vec![edited(ana, "x")])).await.unwrap();
    store.give_name(ana, document, 1, &"x".repeat(40)).await.unwrap_err();
    assert!(store.list_names(document).await.is_empty());

    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let changes = (0..MAX_NAMED).map(|_| edited(ana, "x")).collect();
    store.commit(batch(document, 1, changes)).await.unwrap();
    for version in 1..=100 {
        store.give_name(ana, document, version, "Draft").await.unwrap();
    }
    let refused = store.give_name(ana, document, 101, "One more").await;
    assert!(matches!(refused, Err(StoreError::TooManyNamed)), "{refused:?}");
    store.give_name(ana, document, 100, "Final").await.unwrap();
}

#[tokio::test]
async fn names_go_with_the_document_and_with_the_account() {
    let store = TestStore::new().await;
    let (ana, bo) = (store.user("ana").await, store.user("bo").await);
    let document = store.shared(ana, bo, Edit).await;
    store.give_name(bo, document, 1, "Draft").await.unwrap();
    let named_by = async |user| store.list_versions_named_by(user, None, 10).await.unwrap();
    assert_eq!(named_by(bo).await.len(), 1);
    assert_eq!(named_by(bo).await[0].0, document);
    assert!(named_by(ana).await.is_empty());

    store.change(document, deleted(ana)).await.unwrap();
    assert!(named_by(bo).await.is_empty());
    assert_eq!(store.find_named_content(document, Version::FIRST, 10).await.unwrap(), None);
    store.undelete(ana, document).await.unwrap();
    assert!(store.is_named(document, Version::FIRST).await.unwrap());
    store.change(document, deleted(ana)).await.unwrap();
    store.purge(ana, document).await.unwrap();
    assert_eq!(named_version::Entity::find().count(&store.readers).await.unwrap(), 0);
}
