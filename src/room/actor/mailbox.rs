//! Messages on their way to a room: counted while they wait, and timed.

use actix::{dev::MessageResponse, prelude::*};
use tokio::time::Instant;

use super::room::Room;
use crate::metrics::{ActorKind, GaugeGuard, Metrics};

/// A message in a room's mailbox.
pub(in crate::room) struct Queued<M> {
    message: M,
    since: Instant,
    _counted: GaugeGuard,
}

impl<M> Queued<M> {
    /// The message, from now on waiting.
    pub(in crate::room) fn new(message: M, metrics: &Metrics) -> Self {
        Self { message, since: Instant::now(), _counted: metrics.queued(ActorKind::Room) }
    }
}

impl<M: Message> Message for Queued<M> {
    type Result = M::Result;
}

/// Takes a message out of the mailbox.
pub(in crate::room) trait Take<M: Message>: Actor {
    /// Does what it orders.
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
        self.take(queued.message, ctx)
    }
}
