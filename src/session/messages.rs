//! The messages that a session's actor receives from its node.

use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use super::{actor::Session, socket::SessionContext};
use crate::wire::CloseReason;

/// Close the session, `wait` from now or once it is idle after that: the node is stopping.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain {
    pub(super) wait: Duration,
}

impl Handler<Drain> for Session {
    type Result = ();

    fn handle(&mut self, Drain { wait }: Drain, ctx: &mut SessionContext) {
        ctx.run_later(wait, move |session, ctx| session.drain(wait, ctx));
    }
}

/// Close the session: its user has too many.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EvictSession;

impl Handler<EvictSession> for Session {
    type Result = ();

    fn handle(&mut self, _evict: EvictSession, ctx: &mut SessionContext) {
        self.parts.metrics.slot_refused();
        self.close(&CloseReason::ConnectionLimit, ctx);
    }
}

/// Close the session: its user has signed out.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SignOut;

impl Handler<SignOut> for Session {
    type Result = ();

    fn handle(&mut self, _sign_out: SignOut, ctx: &mut SessionContext) {
        self.close(&CloseReason::SignedOut, ctx);
    }
}

/// Give the slot back and close the session: its client has a newer connection. Returns whether the session was open.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Replace;

impl Handler<Replace> for Session {
    type Result = bool;

    fn handle(&mut self, _replace: Replace, ctx: &mut SessionContext) -> bool {
        let was_open = !self.is_closing();
        if was_open {
            self.parts.metrics.slot_reclaimed();
        }
        self.close(&CloseReason::Replaced, ctx);
        was_open
    }
}

/// Find out whether the client still exists. Returns for how long it has been silent if it does not answer a ping.
#[derive(Message)]
#[rtype(result = "Option<Duration>")]
pub(super) struct Probe;

impl Handler<Probe> for Session {
    type Result = ResponseActFuture<Self, Option<Duration>>;

    fn handle(&mut self, _probe: Probe, _ctx: &mut SessionContext) -> Self::Result {
        let answer_by = if self.is_closing() { None } else { self.begin_probe() };
        let Some(answer_by) = answer_by else { return Box::pin(fut::ready(None)) };
        let answered = self.wait_for_answer(answer_by).into_actor(self);
        Box::pin(answered.map(move |(), session, _ctx| session.silence_at(answer_by)))
    }
}

/// Give the slot back and close the session, if its client has still not answered. Returns whether it was closed.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct CloseIfSilent;

impl Handler<CloseIfSilent> for Session {
    type Result = bool;

    fn handle(&mut self, _close: CloseIfSilent, ctx: &mut SessionContext) -> bool {
        let is_closed = self.close_if_silent(Instant::now(), ctx);
        if is_closed {
            self.parts.metrics.slot_reclaimed();
        }
        is_closed
    }
}
