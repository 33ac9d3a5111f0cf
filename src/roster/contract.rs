//! The interface between the roster and the sessions and rooms.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::{
    domain::{Cursor, DocumentId, Presence, SessionId, UserId},
    wire::envelope::Sequence,
};

/// Why a connection slot was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SlotError {
    /// The user has the maximum number of connections.
    #[error("the user already has {limit} connections")]
    LimitReached {
        /// The maximum number of connections per user.
        limit: usize,
    },
}

/// The shared roster does not respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sessions of other nodes are unavailable at the moment; try again later")]
pub struct RosterUnavailable;

/// The presence of a document on other nodes, at one point in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RosterSnapshot {
    /// The last arrival or departure that the snapshot contains, on any node.
    pub sequence: Sequence,
    /// The sessions on other nodes that have the document open, in order of arrival.
    pub elsewhere: Vec<Presence>,
}

/// Closes sessions of users who have too many connections.
pub trait SessionEvictor: Send + Sync {
    /// Closes the session, if it is still open. Returns immediately.
    fn evict(&self, session: SessionId);
}

/// The sessions of the whole cluster: connection slots and presence.
///
/// `enter`, `exit`, `touch` and `release_slot` return immediately and take effect on this node at
/// once. A shared roster writes them a moment later and retries until it succeeds; then it publishes
/// each arrival and departure to the other nodes. The other methods wait for a reply.
#[async_trait]
pub trait Roster: Send + Sync {
    /// Takes one of the user's `limit` connection slots for `session`. While a shared roster is
    /// unavailable, only sessions of this node count; excess sessions are evicted later.
    ///
    /// # Errors
    /// [`SlotError::LimitReached`] if all slots are taken.
    ///
    /// # Cancel safety
    /// After dropping the future the slot may be taken. Call [`release_slot`](Roster::release_slot).
    async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError>;

    /// Releases the slot of `session`. Does nothing if the session has none.
    fn release_slot(&self, user: UserId, session: SessionId);

    /// Returns the user of `session`, if it holds a slot. On other nodes it finds only sessions of `user`.
    ///
    /// # Errors
    /// [`RosterUnavailable`] if the session is not on this node and the shared roster does not respond.
    async fn find_session_owner(
        &self,
        session: SessionId,
        user: UserId,
    ) -> Result<Option<UserId>, RosterUnavailable>;

    /// Adds a session to the presence of its document.
    fn enter(&self, presence: Presence);

    /// Removes a session from the presence of a document. Does nothing if it is not present.
    fn exit(&self, document: DocumentId, session: SessionId);

    /// Updates the cursor and the activity time of a session. Does nothing if it is not present.
    fn touch(
        &self,
        document: DocumentId,
        session: SessionId,
        cursor: Option<Cursor>,
        at: DateTime<Utc>,
    );

    /// Returns the presence of a document, in order of arrival. While a shared roster is unavailable,
    /// the result contains only the sessions of this node.
    async fn list(&self, document: DocumentId) -> Vec<Presence>;

    /// Returns the presence of one session, if it has the document open.
    ///
    /// # Errors
    /// [`RosterUnavailable`] if the session is not on this node and the shared roster does not respond.
    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterUnavailable>;

    /// Returns the presence of a document on other nodes, or `None` if the shared roster does not
    /// respond.
    async fn find_snapshot(&self, document: DocumentId) -> Option<RosterSnapshot>;

    /// Returns the last arrival or departure of each document, without documents that have had none
    /// lately. Returns `None` if the shared roster does not respond.
    async fn find_sequences(&self, documents: &[DocumentId])
    -> Option<Vec<(DocumentId, Sequence)>>;

    /// Returns whether the roster accepts writes. A roster in memory always does.
    fn is_up(&self) -> bool;
}
