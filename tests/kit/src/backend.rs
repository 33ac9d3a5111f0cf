//! A store and rooms without sockets, for benchmarks and for plans that need many of them.

use std::{sync::Arc, time::Duration};

use coscribe::{
    bridge::LocalBridge,
    domain::{DisplayName, Document, Email, Party, Text, Title, UserId},
    memory::{MemoryAccount, MemoryBounds, MemoryUse},
    metrics::Metrics,
    quota::OpenDocuments,
    room::{DocumentDraft, RoomOptions, RoomParts, Rooms},
    roster::LocalRoster,
    store::{NewAccount, Quotas, Retention, Store, StoreOptions},
};
use tempfile::TempDir;

/// A store on an SQLite file of its own, rooms over it, and one user.
pub struct Backend {
    /// The store.
    pub store: Store,
    /// The rooms.
    pub rooms: Rooms,
    /// The user who owns the documents.
    pub user: UserId,
    _folder: TempDir,
}

impl Backend {
    /// Opens an empty store and rooms with these options and no limit on the size of a text.
    pub async fn new(options: RoomOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&store_options(&folder)).await.unwrap();
        store.migrate_up().await.unwrap();
        let account = NewAccount {
            name: DisplayName::new("Ana").unwrap(),
            email: Email::new("ana@example.org").unwrap(),
            password_hash: "hash".into(),
        };
        let user = store.create_account(account, Party::Node).await.unwrap().id;
        let parts = RoomParts {
            questions: coscribe::questions::Questions::default(),
            store: store.clone(),
            bridge: Arc::new(LocalBridge),
            roster: Arc::new(LocalRoster::default()),
            metrics: Metrics::new(),
            document_limit: usize::MAX,
            state_limit: 1 << 26,
            structs_limit: 100_000,
            document_structs_limit: 1_000_000,
            clients_limit: 100_000,
            replicas: MemoryBounds::UNLIMITED,
            answers: MemoryAccount::new(
                MemoryUse::Answers,
                MemoryBounds::UNLIMITED,
                Metrics::new(),
            ),
            sync_bytes_per_second: usize::MAX,
            open_documents: OpenDocuments::new(100, Duration::ZERO),
        };
        Self { rooms: Rooms::new(parts, options), store, user, _folder: folder }
    }

    /// Creates a document with this text.
    pub async fn create_document(&self, text: &str) -> Document {
        let (title, text) = (Title::new("Plan").unwrap(), Text::new(text, usize::MAX).unwrap());
        self.rooms.create(self.user, DocumentDraft::new(title, text)).await.unwrap()
    }
}

fn store_options(folder: &TempDir) -> StoreOptions {
    StoreOptions {
        url: format!("sqlite://{}/backend.db?mode=rwc", folder.path().display()),
        readers: 1,
        writers: 2,
        acquire_within: Duration::from_secs(10),
        busy_within: Duration::from_secs(10),
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

/// Returns room options whose limits no test reaches by accident.
#[must_use]
pub fn generous_rooms() -> RoomOptions {
    RoomOptions {
        linger: Duration::from_secs(60),
        mailbox: 100,
        edits_waiting: 100,
        edits_waiting_bytes: 1_000_000,
        apply_within: Duration::from_secs(10),
        load_within: Duration::from_secs(60),
        snapshot_every: 500,
        compact_at: 0,
        compare_every: Duration::from_secs(5),
        settle: Duration::from_secs(20),
        rebase_bytes: 16_000_000,
        texts_at_once: 4,
        recent_bytes: 1_000_000,
        awareness_every: Duration::from_secs(10),
    }
}
