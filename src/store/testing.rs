//! A store on a real file in a folder of its own, and the people and documents of its tests.

use std::{ops::Deref, path::PathBuf, time::Duration};

use tempfile::TempDir;

use super::{ChangeRequest, NewAccount, Store, StoreError, StoreOptions};
use crate::domain::{
    AccessLevel, DisplayName, Document, DocumentId, Email, Text, Title, UserId, Version,
};

/// Far more than any test's text.
const TEXT_LIMIT: usize = 16 * 1024 * 1024;

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
        let store = Self::without_tables().await;
        store.migrate_up().await.unwrap();
        store
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

    /// A new document of `owner`, titled "Plan" and saying "one".
    pub(super) async fn document(&self, owner: UserId) -> Document {
        self.create_document(owner, title("Plan"), text("one")).await.unwrap()
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

pub(super) fn text(content: impl Into<String>) -> Text {
    Text::new(content.into(), TEXT_LIMIT).unwrap()
}

/// A wish that changes nothing yet.
pub(super) fn wish(author: UserId, document: DocumentId) -> ChangeRequest {
    ChangeRequest {
        document,
        author,
        session: None,
        title: None,
        content: None,
        base_version: None,
    }
}

/// A wish for another text, made for `base`.
pub(super) fn edit(
    author: UserId,
    document: DocumentId,
    content: &str,
    base: Option<i64>,
) -> ChangeRequest {
    ChangeRequest {
        content: Some(text(content)),
        base_version: base.map(Version::new),
        ..wish(author, document)
    }
}
