//! A browser tab: a socket with one document open.

use coscribe::domain::{DocumentId, SessionId};
use serde_json::Value;

use crate::{Answer, Client, Person, Socket};

/// A socket that subscribes to everything about one document.
pub struct Tab {
    /// The socket.
    pub socket: Socket,
    /// The document.
    pub document: DocumentId,
    /// The id of the subscription to changes.
    pub changes: String,
    /// The id of the subscription to presence.
    pub presence: String,
    /// The id of the subscription to cursors.
    pub cursors: String,
}

impl Tab {
    /// Subscribes to presence first, so that the session has joined before anything else happens.
    pub(crate) async fn open(socket: Socket, document: DocumentId) -> Self {
        let presence = socket.subscribe("presenceUpdated", document).await;
        let changes = socket.subscribe("documentChanged", document).await;
        let cursors = socket.subscribe("cursorMoved", document).await;
        Self { socket, document, changes, presence, cursors }
    }

    /// The id of the session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.socket.session()
    }

    /// Waits for the next change.
    pub async fn expect_change(&self) -> Value {
        self.socket.expect_next(&self.changes).await
    }

    /// Waits for the next change, which must be the one to this version.
    pub async fn expect_version(&self, version: i64) -> Value {
        let change = self.expect_change().await;
        assert_eq!(change["version"], version, "{change:#}");
        change
    }

    /// Waits for the next cursor.
    pub async fn expect_cursor(&self) -> Value {
        self.socket.expect_next(&self.cursors).await
    }

    /// Waits for the next presence event, which must say that `who` joined. Returns the presence entry.
    pub async fn expect_joined(&self, who: &Person) -> Value {
        self.expect_presence("JOINED", who).await
    }

    /// Waits for the next presence event, which must say that `who` left. Returns the presence entry.
    pub async fn expect_left(&self, who: &Person) -> Value {
        self.expect_presence("LEFT", who).await
    }

    /// Fails the test if a message arrived that the test did not expect.
    pub fn assert_nothing_unread(&self) {
        let unread = self.socket.unread();
        assert!(unread.is_empty(), "these messages were not expected: {unread:#?}");
    }

    async fn expect_presence(&self, kind: &str, who: &Person) -> Value {
        let mut change = self.socket.expect_next(&self.presence).await;
        assert_eq!(change["kind"], kind, "{change:#}");
        assert_eq!(change["presence"]["user"]["name"], who.name.as_str(), "{change:#}");
        change["presence"].take()
    }
}

impl Client for Tab {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        self.socket.run(operation, variables).await
    }
}
