//! What the session of a Yjs editor needs from those who know Yjs.
//!
//! The session knows the socket, its limits and its heartbeat; what an editor's messages mean is the business of the
//! floor above, which implements [`Converse`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    room::{EditorHandle, SeatEnded, Subscriber, Subscription},
    session::SessionLink,
    wire::CloseReason,
};

/// What came of a piece of work for an editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It is done.
    Done,
    /// Something of it did not fit; the editor has to be asked what it has.
    Again,
    /// It is done, and this is to be answered.
    Reply(Bytes),
    /// The session has to end.
    Close(CloseReason),
}

/// What an editor's session should do next.
pub enum ConversationStep {
    /// Nothing, until something comes.
    Nothing,
    /// Ask again after so long: somebody does too much at once.
    Wait(Duration),
    /// This, and then ask again.
    Work(BoxFuture<'static, StepOutcome>),
}

/// A conversation with one editor: pure, but for what it hands out to be run. One thing is done at a time, while what
/// comes gathers.
pub trait Converse {
    /// Takes the editor's seat, or says why it may not have one.
    fn enter(
        &self,
        subscriber: Subscriber,
        on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>>;

    /// It has its seat.
    fn entered(&mut self, link: Arc<SessionLink>, seat: EditorHandle);

    /// Takes in a binary message.
    ///
    /// # Errors
    /// Why the session has to end.
    fn receive(&mut self, message: &Bytes) -> Result<(), CloseReason>;

    /// What is to be done next, if nothing is being done.
    fn next(&mut self) -> ConversationStep;

    /// What was handed out last has been done, with this outcome.
    fn done(&mut self, outcome: &StepOutcome);

    /// Whether so much has gathered that nothing more should be read.
    fn is_full(&self) -> bool;

    /// The session ends: what was written and has not been begun is still to be stored.
    fn leave(&mut self) -> Option<BoxFuture<'static, ()>>;

    /// Whether something that the editor wrote is not stored yet.
    fn is_busy(&self) -> bool;
}
