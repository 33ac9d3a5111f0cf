//! SQLite: connection settings, opening and closing, and files that cannot be used.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use sea_orm::{ConnectionTrait, Statement};

use super::{
    CommitError, DocumentQuery, Retention, Store, StoreError, StoreOptions,
    test_store::{TestStore, change_in, edited, new_account, options, title},
};
use crate::domain::{AccessLevel, DocumentId, Party, UserId};

async fn pragma(pool: &impl ConnectionTrait, name: &str) -> String {
    let query = Statement::from_string(pool.get_database_backend(), format!("PRAGMA {name}"));
    let row = pool.query_one_raw(query).await.unwrap().unwrap();
    row.try_get_by_index::<String>(0)
        .or_else(|_| row.try_get_by_index::<i32>(0).map(|number| number.to_string()))
        .unwrap()
}

fn in_memory() -> StoreOptions {
    StoreOptions { acquire_within: Duration::from_secs(5), ..options("sqlite::memory:".into()) }
}

#[tokio::test]
async fn every_connection_has_the_settings_for_durability() {
    let store = TestStore::on_sqlite().await;
    for pool in [&store.writer, store.readers.pool()] {
        assert_eq!(pragma(pool, "journal_mode").await, "wal");
        assert_eq!(pragma(pool, "synchronous").await, "2", "FULL");
        assert_eq!(pragma(pool, "foreign_keys").await, "1");
        assert_eq!(pragma(pool, "busy_timeout").await, "20");
    }
    assert_eq!(pragma(&store.writer, "query_only").await, "0");
    // Otherwise the write-ahead log keeps the largest size that it ever had.
    assert_eq!(pragma(&store.writer, "journal_size_limit").await, "67108864");
    assert_eq!(pragma(&store.writer, "wal_autocheckpoint").await, "16384");
    assert_eq!(pragma(&store.readers, "query_only").await, "1");
}

#[tokio::test]
async fn a_large_change_is_moved_into_the_database_file_beside_the_writer() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    // It takes 12 MB in the log: far more than SQLite leaves there by default, and less than the writer moves.
    store.change(document, edited(ana, &"x".repeat(6_000_000))).await.unwrap();

    // Meanwhile the writer is in a transaction, and a reader has a connection.
    let taken = store.begin().await.unwrap();
    store.ping().await.unwrap();
    kit::expect_eventually("the change in the file", async || {
        fs::metadata(store.file()).unwrap().len() > 12_000_000
    })
    .await;
    drop(taken);
}

#[tokio::test]
async fn stored_data_survives_a_restart() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await;
    store.change(document.id, edited(ana, "zwei 🦀")).await.unwrap();

    let store = store.restart().await;

    let (found, _) = store.find_document(ana, document.id).await.unwrap().unwrap();
    assert_eq!((found.size, found.version.number()), ("zwei 🦀".len(), 2));
    assert_eq!(found.created_at, document.created_at);
}

#[tokio::test]
async fn a_closed_store_is_unavailable_and_leaves_one_file() {
    let store = TestStore::on_sqlite().await;
    store.ping().await.unwrap();
    let clone = Store::clone(&store);

    store.close().await;

    assert!(matches!(clone.ping().await, Err(StoreError::Unavailable(_))));
    let create = clone.create_account(new_account("ana", "ana@example.org"), Party::Node).await;
    assert!(matches!(create, Err(StoreError::Unavailable(_))));
    let files = fs::read_dir(store.file().parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "closing moves the write-ahead log into the file");
}

#[tokio::test]
async fn a_missing_file_is_unavailable_unless_it_may_be_created() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a/b/new.db", folder.path().display());
    let missing = Store::open(&StoreOptions { url: url.clone(), ..in_memory() }).await;
    assert!(matches!(missing, Err(StoreError::Unavailable(_))));
    assert!(!folder.path().join("a").exists(), "without `mode=rwc`, no folder is created");

    let created =
        Store::open(&StoreOptions { url: format!("{url}?mode=rwc"), ..in_memory() }).await;
    created.unwrap().ping().await.unwrap();
    let mode = fs::metadata(folder.path().join("a/b")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "a created folder is closed to other accounts");
}

#[tokio::test]
async fn an_invalid_url_or_file_is_an_internal_error() {
    for url in ["sqlite://x.db?mode=nonsense", "oracle://x", "", "x.db"] {
        let opened = Store::open(&StoreOptions { url: url.into(), ..in_memory() }).await;
        assert!(matches!(opened, Err(StoreError::Internal(_))), "{url:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.db");
    fs::write(&file, "Dear database, ".repeat(1_000)).unwrap();
    let url = format!("sqlite://{}", file.display());
    let opened = Store::open(&StoreOptions { url, ..in_memory() }).await;
    assert!(matches!(opened, Err(StoreError::Internal(_))));
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_unavailable() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let other = store.open_again("rw").await.unwrap();
    let lock = other.begin().await.unwrap();

    let create = store.create_account(new_account("bo", "bo@example.org"), Party::Node).await;
    assert!(matches!(create, Err(StoreError::Unavailable(_))), "{create:?}");
    let change = store.change(document, edited(ana, "two")).await;
    assert!(matches!(change, Err(CommitError::Store(StoreError::Unavailable(_)))), "{change:?}");
    assert!(matches!(store.migrate_up().await, Err(StoreError::Unavailable(_))));
    store.ping().await.unwrap();
    assert!(store.find_access_level(ana, document).await.unwrap().is_some(), "reads still succeed");

    lock.rollback().await.unwrap();
    store.change(document, edited(ana, "two")).await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_can_be_read() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;

    let other = store.open_again("ro").await.unwrap();

    assert!(other.find_document(ana, document).await.unwrap().is_some());
    let create = other.create_account(new_account("bo", "bo@example.org"), Party::Node).await;
    assert!(matches!(create, Err(StoreError::Unavailable(_))), "{create:?}");
    let change = change_in(&other, document, edited(ana, "two")).await;
    assert!(matches!(change, Err(CommitError::Store(StoreError::Unavailable(_)))), "{change:?}");
    other.close().await;
}

#[tokio::test]
async fn waiting_too_long_for_a_connection_is_unavailable() {
    let store = Store::open(&in_memory()).await.unwrap();
    let taken = store.begin().await.unwrap();
    // With the clock paused, waiting takes no real time.
    tokio::time::pause();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    tokio::time::resume();
    drop(taken);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn every_future_of_the_store_can_move_between_threads() {
    fn assert_send<F: Future + Send>(_: F) {}
    let store = Store::open(&in_memory()).await.unwrap();
    let (user, document) = (UserId::new(), DocumentId::new());
    assert_send(store.migrate_up());
    assert_send(store.migrate_down(1));
    assert_send(store.migration_status());
    assert_send(store.load_users([user]));
    assert_send(store.find_document(user, document));
    assert_send(store.list_documents(user, DocumentQuery::newest(1)));
    assert_send(store.grant_access(user, document, user, AccessLevel::View));
    assert_send(store.revoke_access(user, document, user));
    assert_send(change_in(&store, document, edited(user, "x")));
    assert_send(store.forget_changes(chrono::Utc::now()));
}

#[tokio::test]
async fn after_a_full_disk_acknowledged_changes_are_stored() {
    let store = TestStore::on_sqlite().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let pages = pragma(&store.writer, "page_count").await;
    let fill_the_disk = format!("PRAGMA max_page_count = {pages}");
    let big = "x".repeat(4_000_000);

    store.writer.execute_unprepared(&fill_the_disk).await.unwrap();
    let create = store.create_document(ana, title("Big"), big.len(), big.clone().into()).await;
    assert!(matches!(create, Err(StoreError::Unavailable(_))));
    // The pool discards the connection that met the full disk.
    let store = store.restart().await;
    store.writer.execute_unprepared(&fill_the_disk).await.unwrap();
    let change = store.change(document, edited(ana, &big)).await;
    assert!(matches!(change, Err(CommitError::Store(StoreError::Unavailable(_)))), "{change:?}");

    // With space again, changes are accepted. A refused one is among them.
    store.writer.execute_unprepared("PRAGMA max_page_count = 1000000").await.unwrap();
    store.change(document, edited(ana, &big)).await.unwrap();
    let stranger = UserId::new();
    let denied = store.change(document, edited(stranger, "no")).await;
    assert!(matches!(denied, Err(CommitError::Denied(users)) if users == [stranger]));
    store.change(document, edited(ana, "three")).await.unwrap();

    let store = store.restart().await;
    let (found, _) = store.find_document(ana, document).await.unwrap().unwrap();
    assert_eq!((found.size, found.version.number()), ("three".len(), 3));
}

#[tokio::test]
async fn a_store_in_memory_works() {
    let store = Store::open(&in_memory()).await.unwrap();
    store.migrate_up().await.unwrap();
    let new = new_account("ana", "ana@example.org");
    let ana = store.create_account(new, Party::Node).await.unwrap().id;
    let document = store.create_document(ana, title("Plan"), 3, b"one".to_vec()).await.unwrap();
    change_in(&store, document.id, edited(ana, "two")).await.unwrap();
    let (found, _) = store.find_document(ana, document.id).await.unwrap().unwrap();
    assert_eq!(found.version.number(), 2);
}

#[test]
fn options_are_read_from_settings() {
    let read = |text: &str| {
        config::Config::builder()
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .build()
            .unwrap()
            .try_deserialize::<StoreOptions>()
    };
    let valid = "url = 'sqlite::memory:'\nreaders = 4\nwriters = 2\nanswer_within = '10s'\nacquire_within = '3s'\nbusy_within = '250ms'\ncommit_every = '1ms'\nhistory_pause = '5m'\nhistory_kept = '1h'\nbin_kept = '30d'\nretention = '90d'\nforget_every = '10m'";
    let options = read(valid).unwrap();
    assert_eq!(options.readers, 4);
    assert_eq!(options.busy_within, Duration::from_millis(250));
    assert_eq!(options.retention, Retention::For(Duration::from_hours(24 * 90)));
    let forever = read(&valid.replace("90d", "forever")).unwrap();
    assert_eq!(forever.retention, Retention::Forever);
    assert!(read(&valid.replace("90d", "a while")).is_err());
    assert!(read(&format!("{valid}\npilots = 2")).is_err(), "an unknown key");
}
