//! The room's mailbox. Every message is counted while it waits, timed, and handled inside the room's span.
//!
//! A handler implements [`Take`] instead of actix's `Handler`; the one `Handler` here does the counting for all of them.

use actix::{dev::MessageResponse, prelude::*};
use tokio::time::Instant;

use super::Room;
use crate::metrics::{ActorKind, GaugeGuard, Metrics};

/// A message in a room's mailbox.
pub(in crate::room) struct Queued<M> {
    message: M,
    since: Instant,
    _counted: GaugeGuard,
}

impl<M> Queued<M> {
    /// Returns the message, counted as waiting from now on.
    pub(in crate::room) fn new(message: M, metrics: &Metrics) -> Self {
        Self { message, since: Instant::now(), _counted: metrics.queued(ActorKind::Room) }
    }
}

impl<M: Message> Message for Queued<M> {
    type Result = M::Result;
}

/// Handles a message.
pub(in crate::room) trait Take<M: Message>: Actor {
    /// Carries the command out.
    fn take(&mut self, message: M, ctx: &mut Self::Context) -> M::Result;
}

impl<M: Message> Handler<Queued<M>> for Room
where
    Self: Take<M>,
    M::Result: MessageResponse<Self, Queued<M>>,
{
    type Result = M::Result;

    fn handle(&mut self, queued: Queued<M>, ctx: &mut Self::Context) -> M::Result {
        self.metrics().mailbox_waited(ActorKind::Room, queued.since.elapsed());
        self.in_span(|room| room.take(queued.message, ctx))
    }
}
