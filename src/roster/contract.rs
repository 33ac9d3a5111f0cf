//! What sessions and rooms may ask of the roster.

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
    /// The user has as many connections as are allowed.
    #[error("the user already has {limit} connections")]
    LimitReached {
        /// How many are allowed.
        limit: usize,
    },
}

/// The shared roster does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("who is connected to other nodes is not known at the moment")]
pub struct RosterAway;

/// Who has a document open on other nodes, and how many arrivals and departures led to that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RosterSnapshot {
    /// The last arrival or departure that is in it.
    pub sequence: Sequence,
    /// Who is there, in order of arrival.
    pub elsewhere: Vec<Presence>,
}

/// Sends a session away whose user turned out to have too many.
pub trait SessionEvictor: Send + Sync {
    /// Ends the session, if it is still there.
    fn evict(&self, session: SessionId);
}

/// Who is connected, in the whole cluster.
///
/// `enter`, `exit`, `touch` and `release_slot` are orders: they return at once, hold on this node at once, and reach the
/// others a moment later; where a roster is shared, it tells them of who comes and goes. The others answer.
#[async_trait]
pub trait Roster: Send + Sync {
    /// Takes one of the user's `limit` connection slots for `session`. While a shared roster is away, those on this node
    /// are counted; who turns out to be one too many later is sent away.
    ///
    /// # Cancel safety
    /// The slot may have been taken when the future is dropped: release it.
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

    /// Whose session this is, if it holds a slot. Of the sessions on other nodes only those of `user` are found.
    ///
    /// # Errors
    /// It is not on this node, and the others' are not known now.
    async fn find_session(
        &self,
        session: SessionId,
        user: UserId,
    ) -> Result<Option<UserId>, RosterAway>;

    /// A session opened a document.
    fn enter(&self, presence: Presence);

    /// A session closed a document; nothing happens when it had not opened it.
    fn exit(&self, document: DocumentId, session: SessionId);

    /// A session moved its cursor.
    fn touch(
        &self,
        document: DocumentId,
        session: SessionId,
        cursor: Option<Cursor>,
        at: DateTime<Utc>,
    );

    /// Everybody who has the document open, in order of arrival.
    async fn list(&self, document: DocumentId) -> Vec<Presence>;

    /// One session's entry in a document, if it has it open.
    ///
    /// # Errors
    /// It has not on this node, and the others' are not known now.
    async fn find_presence(
        &self,
        document: DocumentId,
        session: SessionId,
    ) -> Result<Option<Presence>, RosterAway>;

    /// Who has the document open on other nodes; none when that cannot be told now.
    async fn find_standing(&self, document: DocumentId) -> Option<RosterSnapshot>;

    /// The last arrival or departure in each of these documents, as far as there have been any; none when that cannot be
    /// told now.
    async fn find_sequences(&self, documents: &[DocumentId])
    -> Option<Vec<(DocumentId, Sequence)>>;

    /// Whether it answers: one that is kept in memory always does.
    fn is_up(&self) -> bool;
}
