//! A store on a real file in a folder of its own, and the people and documents of its tests.

use std::{ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
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
    pub(super) folder: TempDir,
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
        Self::with(|_as_they_are| {}).await
    }

    /// An empty store whose commits begin at least so long after one another.
    pub(super) async fn with_pace(commit_every: Duration) -> Self {
        Self::with(|options| options.commit_every = commit_every).await
    }

    /// An empty store where a batch may wait so long for its turn.
    pub(super) async fn with_turn_within(limit: Duration) -> Self {
        let mut store = Self::new().await;
        let pace = Pace { every: Duration::ZERO, turn_within: limit };
        store.store.commits = Committer::start(store.writer.clone(), pace);
        store
    }

    async fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&folder, "rwc");
        change(&mut options);
        let store = Store::open(&options).await.unwrap();
        store.migrate_up().await.unwrap();
        Self { store, folder }
    }

    /// A store whose migrations are still to be applied.
    pub(super) async fn without_tables() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&options(&folder, "rwc")).await.unwrap();
        Self { store, folder }
    }

    /// Opens the same file once more, as another process would.
    pub(super) async fn open_again(&self, mode: &str) -> Result<Store, StoreError> {
        Store::open(&options(&self.folder, mode)).await
    }

    /// Closes the file and opens it afresh.
    pub(super) async fn restart(self) -> Self {
        self.store.close().await;
        let store = self.open_again("rw").await.unwrap();
        Self { store, folder: self.folder }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("data").join("test.db")
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

fn options(folder: &TempDir, mode: &str) -> StoreOptions {
    StoreOptions {
        url: format!("sqlite://{}/data/test.db?mode={mode}", folder.path().display()),
        readers: 2,
        acquire_within: Duration::from_secs(20),
        busy_within: Duration::from_millis(20),
        commit_every: Duration::ZERO,
        retention: Retention::Forever,
        forget_every: Duration::from_secs(600),
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
