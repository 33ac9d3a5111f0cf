//! The room's mailbox. Every message is counted while it waits, timed, and handled inside the room's span.
//!
//! A handler implements [`Take`] instead of actix's `Handler`; the one `Handler` here does the counting for all of them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix::{dev::MessageResponse, prelude::*};
use tokio::time::Instant;

use super::Room;
use crate::metrics::{ActorKind, GaugeGuard, Metrics};

/// A message in a room's mailbox.
pub(in crate::room) struct Queued<M> {
    message: M,
    since: Instant,
    _counted: GaugeGuard,
    _waiting: WaitingMessage,
}

impl<M> Queued<M> {
    /// Returns the message, counted as waiting from now on.
    pub(in crate::room) fn new(message: M, metrics: &Metrics, waiting: &WaitingMessages) -> Self {
        let counted = metrics.queued(ActorKind::Room);
        Self { message, since: Instant::now(), _counted: counted, _waiting: waiting.add() }
    }
}

/// The number of messages that wait in a room's mailbox.
///
/// The mailbox of the framework is not bounded by its capacity alone: each clone of an address may send one message more.
#[derive(Debug, Clone)]
pub(in crate::room) struct WaitingMessages {
    count: Arc<AtomicUsize>,
    capacity: usize,
}

struct WaitingMessage(Arc<AtomicUsize>);

impl WaitingMessages {
    /// Returns the count of an empty mailbox.
    pub(in crate::room) fn new(capacity: usize) -> Self {
        Self { count: Arc::default(), capacity }
    }

    /// Whether no message may be added that can be left out.
    pub(in crate::room) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= self.capacity
    }

    fn add(&self) -> WaitingMessage {
        self.count.fetch_add(1, Ordering::Relaxed);
        WaitingMessage(Arc::clone(&self.count))
    }
}

impl Drop for WaitingMessage {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
