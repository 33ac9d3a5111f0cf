//! A store with a database of its own for each test, and the users and documents that tests need.
//!
//! The database is a file in a temporary folder, or a database on the PostgreSQL server that `TEST_DATABASE_URL` names.

use std::{ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::TestDatabase;
use tempfile::TempDir;

use super::{
    Batch, CommitError, Committed, NewAccount, NewChange, NewSnapshot, Quotas, Receipt, Retention,
    SnapshotPatience, Store, StoreError, StoreOptions,
    group_commit::{CommitQueue, CommitTiming},
};
use crate::domain::{
    AccessLevel, ChangeKind, DisplayName, Document, DocumentId, EditId, Email, Party, Title,
    UserId, Version,
};

pub(super) struct TestStore {
    store: Store,
    database: Database,
}

/// The database of one test. Dropping the value deletes it.
enum Database {
    File(TempDir),
    Postgres(TestDatabase),
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    /// Opens an empty store with all tables.
    pub(super) async fn new() -> Self {
        Self::without_tables().await.with_tables().await
    }

    /// Opens an empty store with all tables on SQLite, also when the other tests use PostgreSQL.
    pub(super) async fn on_sqlite() -> Self {
        Self::at(Database::file(), |_unchanged| {}).await.with_tables().await
    }

    /// Opens an empty store that waits at least `commit_every` from the start of one commit to the next.
    pub(super) async fn with_commit_every(commit_every: Duration) -> Self {
        let database = Database::choose().await;
        Self::at(database, |options| options.commit_every = commit_every).await.with_tables().await
    }

    /// Opens an empty store with changed options.
    pub(super) async fn with_options(change: impl FnOnce(&mut StoreOptions)) -> Self {
        Self::at(Database::choose().await, change).await.with_tables().await
    }

    /// Opens an empty store where a batch may wait in the queue for `limit`.
    pub(super) async fn with_start_within(limit: Duration) -> Self {
        let mut store = Self::new().await;
        let finish_within = Duration::from_secs(20);
        let timing = CommitTiming { every: Duration::ZERO, start_within: limit, finish_within };
        let (committer, locks) = (store.writer.clone(), store.locks.clone());
        store.store.commit_queue = CommitQueue::start(committer, locks, timing);
        store
    }

    /// Opens a store to which no migration has been applied.
    pub(super) async fn without_tables() -> Self {
        Self::at(Database::choose().await, |_unchanged| {}).await
    }

    async fn at(database: Database, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = database.options("rwc");
        change(&mut options);
        Self { store: Store::open(&options).await.unwrap(), database }
    }

    async fn with_tables(self) -> Self {
        self.store.migrate_up().await.unwrap();
        self
    }

    /// Opens the same database again, as another process would. `mode` is the mode of a SQLite file.
    pub(super) async fn open_again(&self, mode: &str) -> Result<Store, StoreError> {
        self.open_again_with(mode, |_unchanged| {}).await
    }

    /// As [`Self::open_again`], with changed options.
    pub(super) async fn open_again_with(
        &self,
        mode: &str,
        change: impl FnOnce(&mut StoreOptions),
    ) -> Result<Store, StoreError> {
        let mut options = self.database.options(mode);
        change(&mut options);
        Store::open(&options).await
    }

    /// Closes the database and opens it again.
    pub(super) async fn restart(self) -> Self {
        self.store.close().await;
        let store = self.open_again("rw").await.unwrap();
        Self { store, database: self.database }
    }

    /// Returns the path of the SQLite file.
    pub(super) fn file(&self) -> PathBuf {
        let Database::File(folder) = &self.database else { panic!("the database is not a file") };
        folder.path().join("data").join("test.db")
    }

    /// Creates an account with this name.
    pub(super) async fn user(&self, name: &str) -> UserId {
        let new = new_account(name, &format!("{name}@example.org"));
        self.create_account(new, Party::Node).await.unwrap().id
    }

    /// Creates a document of `owner` with the title "Plan" and a text of three bytes.
    pub(super) async fn document(&self, owner: UserId) -> Document {
        self.create_document(owner, title("Plan"), 3, b"one".to_vec()).await.unwrap()
    }

    /// Returns the result of an edit that was accepted earlier.
    pub(super) async fn find_receipt(
        &self,
        document: DocumentId,
        author: UserId,
        edit: &EditId,
    ) -> Option<Receipt> {
        let names = [(author, edit.clone())];
        let found = self.find_edits(document, &names).await.unwrap();
        found.into_values().next()
    }

    /// Stores one change on top of the present head.
    pub(super) async fn change(
        &self,
        document: DocumentId,
        change: NewChange,
    ) -> Result<Committed, CommitError> {
        change_in(self, document, change).await
    }

    /// Creates a document of `owner` on which `other` has `level`.
    pub(super) async fn shared(
        &self,
        owner: UserId,
        other: UserId,
        level: AccessLevel,
    ) -> DocumentId {
        let document = self.document(owner).await.id;
        self.grant_access(owner, document, other, level).await.unwrap();
        self.accept_grant(other, document).await.unwrap();
        document
    }

    /// Returns how many bytes count for a user.
    pub(crate) async fn bytes(&self, owner: UserId) -> u64 {
        self.load_usage(owner).await.unwrap().bytes
    }
}

impl Database {
    async fn choose() -> Self {
        TestDatabase::create().await.map_or_else(Self::file, Self::Postgres)
    }

    fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    fn options(&self, mode: &str) -> StoreOptions {
        let url = match self {
            Self::File(folder) => {
                format!("sqlite://{}/data/test.db?mode={mode}", folder.path().display())
            }
            Self::Postgres(database) => database.url(),
        };
        options(url)
    }
}

/// Returns options for tests on the database at `url`.
pub(crate) fn options(url: String) -> StoreOptions {
    StoreOptions {
        url,
        readers: 2,
        writers: 2,
        acquire_within: Duration::from_secs(20),
        busy_within: Duration::from_millis(20),
        answer_within: Duration::from_secs(20),
        commit_every: Duration::ZERO,
        history_pause: Duration::from_secs(300),
        history_kept: Duration::ZERO,
        bin_kept: Duration::from_secs(3_600),
        retention: Retention::Forever,
        forget_every: Duration::from_secs(600),
        quotas: Quotas::default(),
    }
}

pub(super) fn new_account(name: &str, email: &str) -> NewAccount {
    NewAccount { name: display_name(name), email: address(email), password_hash: "hash".into() }
}

pub(super) fn display_name(name: &str) -> DisplayName {
    DisplayName::new(name).unwrap()
}

pub(super) fn address(email: &str) -> Email {
    Email::new(email).unwrap()
}

pub(super) fn title(title: &str) -> Title {
    Title::new(title).unwrap()
}

/// Returns a change by `author` that inserts `text`.
pub(super) fn edited(author: UserId, text: &str) -> NewChange {
    let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
    NewChange {
        kind: ChangeKind::Edited,
        author,
        session: None,
        edit: None,
        title: "Plan".into(),
        metadata: None,
        delta: Some(Arc::new(delta)),
        update: Some(Bytes::copy_from_slice(text.as_bytes())),
        takes_back: None,
        size: text.len(),
    }
}

/// Returns a snapshot at a version.
pub(crate) fn snapshot(
    document: DocumentId,
    version: Version,
    state: Vec<u8>,
    every: u32,
) -> NewSnapshot {
    let (payer, patience) = (Party::Node, SnapshotPatience::Long);
    NewSnapshot { payer, document, version, at: None, state, body_text: None, every, patience }
}

/// Returns a deletion of the document by `author`.
pub(super) fn deleted(author: UserId) -> NewChange {
    NewChange {
        kind: ChangeKind::Deleted,
        delta: None,
        update: None,
        size: 0,
        ..edited(author, "x")
    }
}

/// Returns a batch of changes of a document, based on the version `base`.
pub(super) fn batch(document: DocumentId, base: i64, changes: Vec<NewChange>) -> Batch {
    Batch {
        document,
        base: Version::new(base),
        base_at: None,
        changes,
        receipts: vec![],
        other_authors: vec![],
    }
}

/// Stores one change on top of the present head, through any store.
pub(super) async fn change_in(
    store: &Store,
    document: DocumentId,
    change: NewChange,
) -> Result<Committed, CommitError> {
    let head = store.find_head(document).await?;
    let base = head.map_or(Version::FIRST, |head| head.version).number();
    store.commit(batch(document, base, vec![change])).await
}
