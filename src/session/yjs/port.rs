//! What the session of a Yjs editor needs from the Yjs layer.
//!
//! The session knows the socket, its limits and its heartbeat. The layer above knows what an editor's messages mean and
//! implements [`EditorConversation`].

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    domain::Version,
    memory::Reservation,
    room::{EditorHandle, SeatEnded, Subscriber, Subscription},
    session::SessionLink,
    wire::CloseReason,
};

/// What is stored of an editor's updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedUpdates {
    /// A version that has them.
    pub version: Version,
    /// The encoded state vector of that version, or what has changed of it since the last one, if the editor wants it.
    pub state_vector: Option<Bytes>,
    /// How many updates of this connection are stored, counted up to the first one that is not.
    pub updates: u64,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// The step is done.
    Done,
    /// Updates are stored, apart from content that is not supported.
    Stored {
        /// What is stored.
        saved: SavedUpdates,
        /// Tells the editor's user what was left out, if something was.
        notice: Option<&'static str>,
    },
    /// An update depends on others that are missing, or could not be stored. The editor must be asked for what is missing
    /// with sync step 1.
    OutOfSync,
    /// A part was stored, and the rest was left out: the editor must send it again. The notice tells the editor's user what
    /// was left out for good.
    StoredInPart {
        /// What to tell them, if there is something.
        notice: Option<&'static str>,
    },
    /// The user may not edit, for this reason.
    Denied(String),
    /// An update was refused, for this reason. The editor's later updates depend on the refused one.
    Refused(String),
    /// An update exceeds a quota, as this text tells the user. The editor is asked for it again later, since the quota may
    /// be free then.
    Postponed(String),
    /// The session must close, or give the document up.
    Close(CloseReason),
}

/// How many updates of an editor wait, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingUpdates {
    /// The updates that no step has begun to commit.
    pub updates: usize,
    /// Their bytes, and those of the updates that are being committed.
    pub bytes: usize,
}

/// The next step of a conversation.
pub enum ConversationStep {
    /// Nothing is to be done until a message arrives.
    Idle,
    /// Ask again at this time, because a rate limit is exhausted.
    WaitUntil(Instant),
    /// Run this, report its outcome, then ask again.
    Run(BoxFuture<'static, StepOutcome>),
}

/// A conversation with one Yjs editor.
///
/// It does no I/O itself: it collects messages, and hands out one step at a time for the session to run.
pub trait EditorConversation {
    /// Notes whose editor it is. From then on [`Self::commit_rest`] commits its updates, even if it never has a seat.
    fn admit(&mut self, link: Arc<SessionLink>);

    /// Takes the editor's seat in the room of its document.
    ///
    /// # Errors
    /// Why the session must close.
    ///
    /// # Cancel safety
    /// Dropping the future gives the seat up.
    fn enter(
        &self,
        subscriber: Subscriber,
        on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>>;

    /// Begins: the editor has its seat.
    fn begin(&mut self, seat: EditorHandle);

    /// Receives a binary message. `held` is the memory of a large one.
    ///
    /// # Errors
    /// Why the session must close.
    fn receive(&mut self, message: &Bytes, held: Option<Reservation>) -> Result<(), CloseReason>;

    /// Returns the next step. While a step runs there is no other.
    fn next_step(&mut self, now: Instant) -> ConversationStep;

    /// Notes the outcome of the step that was handed out last.
    fn finish_step(&mut self, outcome: &StepOutcome, now: Instant);

    /// Returns whether the limit of collected messages is reached, so that the socket should not be read.
    fn is_full(&self) -> bool;

    /// Returns how much waits, for a socket with several conversations.
    fn waiting(&self) -> WaitingUpdates;

    /// Returns whether an update of the editor is not stored yet.
    fn has_unsaved_updates(&self) -> bool;

    /// Removes the updates that no step has begun to commit, and returns a future that commits them. For a session that
    /// ends.
    fn commit_rest(&mut self) -> Option<BoxFuture<'static, ()>>;
}
