//! A tab: a socket with one document open.

use coscribe::domain::{DocumentId, SessionId};
use serde_json::Value;

use super::{Answer, Client, Person, Socket};

/// A socket that listens to everything about one document.
pub(crate) struct Tab {
    pub(crate) socket: Socket,
    pub(crate) document: DocumentId,
    /// The ids of the three subscriptions.
    pub(crate) changes: String,
    pub(crate) presence: String,
    pub(crate) cursors: String,
}

impl Tab {
    /// Listens to presence first, so that the session's own arrival is over before anything else.
    pub(super) async fn open(socket: Socket, document: DocumentId) -> Self {
        let presence = socket.subscribe("presenceUpdated", document).await;
        let changes = socket.subscribe("documentChanged", document).await;
        let cursors = socket.subscribe("cursorMoved", document).await;
        Self { socket, document, changes, presence, cursors }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.socket.session()
    }

    /// The next change.
    pub(crate) async fn expect_change(&self) -> Value {
        self.socket.expect_next(&self.changes).await
    }

    /// The next change, which must be this one.
    pub(crate) async fn expect_version(&self, version: i64) -> Value {
        let change = self.expect_change().await;
        assert_eq!(change["version"], version, "{change:#}");
        change
    }

    /// The next cursor.
    pub(crate) async fn expect_cursor(&self) -> Value {
        self.socket.expect_next(&self.cursors).await
    }

    /// The next arrival or departure, which must be this one: the presence entry.
    pub(crate) async fn expect_presence(&self, kind: &str, who: &Person) -> Value {
        let mut change = self.socket.expect_next(&self.presence).await;
        assert_eq!(change["kind"], kind, "{change:#}");
        assert_eq!(change["presence"]["user"]["name"], who.name.as_str(), "{change:#}");
        change["presence"].take()
    }

    /// The next arrival or departure, which must be an arrival of `who`.
    pub(crate) async fn expect_joined(&self, who: &Person) -> Value {
        self.expect_presence("JOINED", who).await
    }

    /// The next arrival or departure, which must be a departure of `who`.
    pub(crate) async fn expect_left(&self, who: &Person) -> Value {
        self.expect_presence("LEFT", who).await
    }

    /// Fails if anything was heard that nobody asked for.
    pub(crate) fn expect_nothing_left(&self) {
        let left = self.socket.left_over();
        assert!(left.is_empty(), "nobody asked for {left:#?}");
    }
}

impl Client for Tab {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        self.socket.run(operation, variables).await
    }
}
