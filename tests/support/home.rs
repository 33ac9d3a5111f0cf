//! A store on a file of its own and rooms over it, without sockets: for benchmarks and for plans that need many of them.

use std::{sync::Arc, time::Duration};

use coscribe::{
    bridge::LocalBridge,
    domain::{DisplayName, Document, Email, Text, Title, UserId},
    metrics::Metrics,
    room::{RoomOptions, RoomParts, Rooms},
    roster::LocalRoster,
    store::{NewAccount, Retention, Store, StoreOptions},
};

/// A store, its rooms, and somebody with an account.
pub(crate) struct Home {
    pub(crate) store: Store,
    pub(crate) rooms: Rooms,
    pub(crate) user: UserId,
    _folder: tempfile::TempDir,
}

impl Home {
    /// With these rooms, and no limit on texts.
    pub(crate) async fn new(options: RoomOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stored = StoreOptions {
            url: format!("sqlite://{}/home.db?mode=rwc", folder.path().display()),
            readers: 1,
            writers: 2,
            acquire_within: Duration::from_secs(10),
            busy_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(20),
            commit_every: Duration::ZERO,
            history_pause: Duration::from_secs(300),
            retention: Retention::Forever,
            forget_every: Duration::from_secs(600),
        };
        let store = Store::open(&stored).await.unwrap();
        store.migrate_up().await.unwrap();
        let account = NewAccount {
            name: DisplayName::new("Ana").unwrap(),
            email: Email::new("ana@example.org").unwrap(),
            password_hash: "hash".into(),
        };
        let user = store.create_account(account).await.unwrap().id;
        let parts = RoomParts {
            store: store.clone(),
            bridge: Arc::new(LocalBridge),
            roster: Arc::new(LocalRoster::default()),
            metrics: Metrics::new(),
            document_limit: usize::MAX,
            state_limit: 1 << 26,
            structs_limit: 100_000,
        };
        Self { rooms: Rooms::new(parts, options), store, user, _folder: folder }
    }

    /// A document that says `text`.
    pub(crate) async fn document(&self, text: &str) -> Document {
        let (title, text) = (Title::new("Plan").unwrap(), Text::new(text, usize::MAX).unwrap());
        self.rooms.create(self.user, title, text).await.unwrap()
    }
}

/// Rooms that hold nobody up.
pub(crate) fn roomy() -> RoomOptions {
    RoomOptions {
        linger: Duration::from_secs(60),
        mailbox: 100,
        edits_waiting: 100,
        edits_waiting_bytes: 1_000_000,
        apply_within: Duration::from_secs(10),
        snapshot_every: 500,
        compare_every: Duration::from_secs(5),
        settle: Duration::from_secs(20),
        rebase_bytes: 16_000_000,
        texts_at_once: 4,
        recent_bytes: 1_000_000,
        awareness_every: Duration::from_secs(10),
    }
}
