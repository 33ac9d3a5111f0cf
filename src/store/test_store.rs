//! A store on a database of its own, and the people and documents of its tests: a file in a folder, or a database of
//! the PostgreSQL that `TEST_DATABASE_URL` names.

use std::{ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use kit::TestDatabase;
use tempfile::TempDir;

use super::{
    Batch, CommitError, Committed, NewAccount, NewChange, Retention, Store, StoreError,
    StoreOptions,
    group_commit::{Committer, Pace},
};
use crate::domain::{
    AccessLevel, ChangeKind, DisplayName, Document, DocumentId, Email, Title, UserId, Version,
};

pub(super) struct TestStore {
    store: Store,
    place: DatabaseKind,
}

/// Where the data is; it goes with this value.
enum DatabaseKind {
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
    /// An empty store with all its tables.
    pub(super) async fn new() -> Self {
        Self::without_tables().await.with_tables().await
    }

    /// An empty store with all its tables, in a file whatever the others are in.
    pub(super) async fn on_sqlite() -> Self {
        Self::at(DatabaseKind::file(), |_as_they_are| {}).await.with_tables().await
    }

    /// An empty store whose commits begin at least so long after one another.
    pub(super) async fn with_pace(commit_every: Duration) -> Self {
        let place = DatabaseKind::choose().await;
        Self::at(place, |options| options.commit_every = commit_every).await.with_tables().await
    }

    /// An empty store where a batch may wait so long for its turn.
    pub(super) async fn with_turn_within(limit: Duration) -> Self {
        let mut store = Self::new().await;
        let commit_within = Duration::from_secs(20);
        let pace = Pace { every: Duration::ZERO, turn_within: limit, commit_within };
        store.store.commits = Committer::start(store.writer.clone(), pace);
        store
    }

    /// A store whose migrations are still to be applied.
    pub(super) async fn without_tables() -> Self {
        Self::at(DatabaseKind::choose().await, |_as_they_are| {}).await
    }

    async fn at(place: DatabaseKind, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = place.options("rwc");
        change(&mut options);
        Self { store: Store::open(&options).await.unwrap(), place }
    }

    async fn with_tables(self) -> Self {
        self.store.migrate_up().await.unwrap();
        self
    }

    /// Opens the same database once more, as another process would; a file in this mode.
    pub(super) async fn open_again(&self, mode: &str) -> Result<Store, StoreError> {
        Store::open(&self.place.options(mode)).await
    }

    /// Closes the database and opens it afresh.
    pub(super) async fn restart(self) -> Self {
        self.store.close().await;
        let store = self.open_again("rw").await.unwrap();
        Self { store, place: self.place }
    }

    pub(super) fn file(&self) -> PathBuf {
        let DatabaseKind::File(folder) = &self.place else { panic!("there is no file") };
        folder.path().join("data").join("test.db")
    }

    /// A new account of this name.
    pub(super) async fn user(&self, name: &str) -> UserId {
        let new = new_account(name, &format!("{name}@example.org"));
        self.create_account(new).await.unwrap().id
    }

    /// A new document of `owner`, titled "Plan" and saying something of three bytes.
    pub(super) async fn document(&self, owner: UserId) -> Document {
        self.create_document(owner, title("Plan"), 3, b"one".to_vec()).await.unwrap()
    }

    /// Stores one change for whatever the head is.
    pub(super) async fn change(
        &self,
        document: DocumentId,
        change: NewChange,
    ) -> Result<Committed, CommitError> {
        change_in(self, document, change).await
    }

    /// A new document of `owner` on which `other` has `level`.
    pub(super) async fn shared(
        &self,
        owner: UserId,
        other: UserId,
        level: AccessLevel,
    ) -> DocumentId {
        let document = self.document(owner).await.id;
        self.grant_access(owner, document, other, level).await.unwrap();
        document
    }
}

impl DatabaseKind {
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
        StoreOptions {
            url,
            readers: 2,
            writers: 2,
            acquire_within: Duration::from_secs(20),
            busy_within: Duration::from_millis(20),
            answer_within: Duration::from_secs(20),
            commit_every: Duration::ZERO,
            history_pause: Duration::from_secs(300),
            retention: Retention::Forever,
            forget_every: Duration::from_secs(600),
        }
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

/// A change of the text by `author`, which inserts `text`.
pub(super) fn edited(author: UserId, text: &str) -> NewChange {
    let delta = serde_json::from_value(serde_json::json!([{ "insert": text }])).unwrap();
    NewChange {
        kind: ChangeKind::Edited,
        author,
        session: None,
        edit: None,
        title: "Plan".into(),
        delta: Some(Arc::new(delta)),
        update: Some(Bytes::copy_from_slice(text.as_bytes())),
        size: text.len(),
    }
}

/// The end of a document, by `author`.
pub(super) fn deleted(author: UserId) -> NewChange {
    NewChange {
        kind: ChangeKind::Deleted,
        delta: None,
        update: None,
        size: 0,
        ..edited(author, "x")
    }
}

/// These changes of a document, made for the version `seen`.
pub(super) fn batch(document: DocumentId, seen: i64, changes: Vec<NewChange>) -> Batch {
    Batch { document, seen: Version::new(seen), changes, receipts: vec![], askers: vec![] }
}

/// The same through any store.
pub(super) async fn change_in(
    store: &Store,
    document: DocumentId,
    change: NewChange,
) -> Result<Committed, CommitError> {
    let head = store.find_head(document).await?;
    let seen = head.map_or(Version::FIRST, |head| head.version).number();
    store.commit(batch(document, seen, vec![change])).await
}
