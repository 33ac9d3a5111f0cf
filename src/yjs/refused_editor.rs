//! An editor whose address is invalid: its session is closed as soon as it is admitted.
//!
//! Browsers hide a refused upgrade from the page, and the provider would try it again and again. So the upgrade is accepted,
//! and the close frame has the reason.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use crate::{
    memory::Reservation,
    room::{EditorHandle, SeatEnded, Subscriber, Subscription},
    session::{ConversationStep, EditorConversation, SessionLink, StepOutcome},
    wire::CloseReason,
};

/// A conversation that ends before it begins, for this reason.
pub struct RefusedEditor(pub CloseReason);

impl EditorConversation for RefusedEditor {
    fn enter(
        &self,
        _subscriber: Subscriber,
        _on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>> {
        ready(Err(self.0.clone())).boxed()
    }

    fn begin(&mut self, _link: Arc<SessionLink>, _seat: EditorHandle) {}

    fn receive(&mut self, _message: &Bytes, _held: Option<Reservation>) -> Result<(), CloseReason> {
        Err(self.0.clone())
    }

    fn next_step(&mut self, _now: Instant) -> ConversationStep {
        ConversationStep::Idle
    }

    fn finish_step(&mut self, _outcome: &StepOutcome, _now: Instant) {}

    /// Its messages are not read.
    fn is_full(&self) -> bool {
        true
    }

    fn has_unsaved_updates(&self) -> bool {
        false
    }

    fn commit_rest(&mut self) -> Option<BoxFuture<'static, ()>> {
        None
    }
}
