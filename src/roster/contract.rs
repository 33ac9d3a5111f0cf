//! What sessions and rooms may ask of the roster.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::domain::{Cursor, DocumentId, Presence, SessionId, UserId};

/// Why a connection slot was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SlotError {
    /// The user has as many connections as are allowed.
    #[error("the user already has {limit} connections")]
    LimitReached {
        /// How many are allowed.
        limit: usize,
    },
}

/// Who is connected, in the whole cluster.
///
/// `enter`, `exit`, `touch` and `release_slot` are orders: they return at once and are carried out in the order
/// given. The others answer.
#[async_trait]
pub trait Roster: Send + Sync {
    /// Takes one of the user's `limit` connection slots for `session`.
    ///
    /// # Errors
    /// All of them are taken.
    async fn take_slot(
        &self,
        user: UserId,
        session: SessionId,
        limit: usize,
    ) -> Result<(), SlotError>;

    /// Gives the slot of `session` back; nothing happens when it has none.
    fn release_slot(&self, user: UserId, session: SessionId);

    /// Whose session this is, if it holds a slot.
    async fn find_session(&self, session: SessionId) -> Option<UserId>;

    /// A session opened a document.
    fn enter(&self, presence: Presence);

    /// A session closed a document; nothing happens when it had not opened it.
    fn exit(&self, document: DocumentId, session: SessionId);

    /// A session moved its cursor.
    fn touch(&self, document: DocumentId, session: SessionId, cursor: Cursor, at: DateTime<Utc>);

    /// Everybody who has the document open, in order of arrival.
    async fn list(&self, document: DocumentId) -> Vec<Presence>;

    /// One session's entry in a document, if it has it open.
    async fn find_presence(&self, document: DocumentId, session: SessionId) -> Option<Presence>;
}
