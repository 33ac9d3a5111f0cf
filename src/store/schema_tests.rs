//! Migrations on a real database.

use entity::user;
use sea_orm::{ConnectionTrait, EntityTrait as _, QuerySelect as _};
use uuid::Uuid;

use super::{MigrationState, Snapshot, SnapshotState, StoreError, test_store::TestStore};

const NAMES: &[&str] = &[
    "m0001_users",
    "m0002_documents",
    "m0003_access",
    "m0004_changes",
    "m0005_receipts_by_time",
    "m0006_purges",
    "m0008_quotas",
    "m0009_identities",
    "m0010_sign_ins",
    "m0011_entitlements",
    "m0012_applications",
    "m0013_links",
    "m0014_erasure",
    "m0015_tickets",
    "m0016_groups",
    "m0017_addressed_grants",
    "m0018_documents_by_creation",
    "m0019_metadata",
    "m0020_document_keys",
    "m0021_bins",
    "m0022_named_versions",
    "m0023_body_texts",
];

fn applied(states: &[MigrationState]) -> Vec<&str> {
    states.iter().filter(|state| state.applied).map(|state| state.name.as_str()).collect()
}

#[tokio::test]
async fn migrations_can_be_applied_reverted_and_applied_again() {
    let store = TestStore::without_tables().await;
    let before = store.migration_status().await.unwrap();
    assert_eq!(before.iter().map(|state| &state.name).collect::<Vec<_>>(), NAMES);
    assert!(applied(&before).is_empty());

    assert_eq!(store.migrate_up().await.unwrap(), NAMES);
    assert_eq!(applied(&store.migration_status().await.unwrap()), NAMES);
    let owner = store.user("ana").await;
    store.document(owner).await;

    let reverted = store.migrate_down(NAMES.len() as u32 - 1).await.unwrap();
    let expected: Vec<_> = NAMES[1..].iter().rev().copied().collect();
    assert_eq!(reverted, expected);
    assert_eq!(applied(&store.migration_status().await.unwrap()), ["m0001_users"]);
    // Later columns are gone, so only the id is read.
    let ids = user::Entity::find().select_only().column(user::Column::Id).into_tuple::<Uuid>();
    let ids = ids.all(&store.readers).await.unwrap();
    assert_eq!(ids, [owner.uuid()], "the reverted migrations do not contain users");

    assert_eq!(store.migrate_up().await.unwrap(), NAMES[1..]);
    store.document(owner).await;

    assert_eq!(store.migrate_down(NAMES.len() as u32).await.unwrap().len(), NAMES.len());
    assert_eq!(store.migrate_up().await.unwrap(), NAMES);
    assert!(store.find_account(owner).await.unwrap().is_none());
}

#[tokio::test]
async fn applying_migrations_twice_changes_nothing() {
    let store = TestStore::new().await;
    assert!(store.migrate_up().await.unwrap().is_empty());
    assert!(store.migrate_down(0).await.unwrap().is_empty());
    assert_eq!(applied(&store.migration_status().await.unwrap()), NAMES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_start_together_apply_each_migration_once() {
    let one = TestStore::without_tables().await;
    let other = one.open_again("rw").await.unwrap();

    let (first, second) = tokio::join!(one.migrate_up(), other.migrate_up());

    let count = |outcome: Result<Vec<String>, StoreError>| match outcome {
        Ok(names) => names.len(),
        Err(StoreError::Unavailable(_)) => 0,
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(count(first) + count(second), NAMES.len());
    other.close().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_unchanged() {
    let store = TestStore::new().await;
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)";
    store.writer.execute_unprepared(newer).await.unwrap();

    assert!(matches!(store.migrate_up().await, Err(StoreError::Migration(_))));
    assert!(matches!(store.migrate_down(1).await, Err(StoreError::Migration(_))));
    assert!(matches!(store.migration_status().await, Err(StoreError::Migration(_))));
    store.user("ana").await;
}

#[tokio::test]
async fn a_text_from_before_the_change_log_is_found_unchanged() {
    let store = TestStore::on_sqlite().await;
    let owner = store.user("ana").await;
    let document = store.document(owner).await.id;
    store.migrate_down(NAMES.len() as u32 - 3).await.unwrap();
    let before = format!(
        "UPDATE document SET content = 'höher', version = 7 WHERE id = x'{}'",
        document.uuid().simple()
    );
    store.writer.execute_unprepared(&before).await.unwrap();

    store.migrate_up().await.unwrap();

    let (found, _) = store.find_document(owner, document).await.unwrap().unwrap();
    assert_eq!((found.version.number(), found.size), (7, "höher".len()));
    let snapshot = store.find_snapshot(document, found.version).await.unwrap().unwrap();
    let state = SnapshotState::Plain("höher".to_owned());
    assert_eq!(snapshot, Snapshot { version: found.version, state });
    assert_eq!(store.find_snapshot(document, found.version.previous()).await.unwrap(), None);
}
