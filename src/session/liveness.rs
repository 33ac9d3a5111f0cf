//! Whether a session's client still exists: the probes of a session.
//!
//! A phone that changes networks leaves a connection behind that looks open. Its session is probed when its user has no
//! connection slot left, or when a newer session uses its Yjs client id.

use std::{rc::Rc, time::Duration};

use actix::prelude::*;
use tokio::time::{Instant, timeout_at};

use super::{
    actor::Session,
    heartbeat::{ProbeStep, SUSPENDED},
    socket::SessionContext,
};
use crate::{
    outbox,
    wire::{CloseReason, frame},
};

impl Session {
    /// Pings the client if necessary. Returns when to look for its answer, or `None` if it has answered lately.
    pub(super) fn begin_probe(&mut self) -> Option<Instant> {
        match self.heartbeat.probe(Instant::now(), self.intake.received_at()) {
            ProbeStep::Answered => None,
            ProbeStep::Wait(answer_by) => Some(answer_by),
            ProbeStep::Ping(answer_by) => {
                let _pushed = self.outbox.beat(outbox::Beat::Ping, frame::ping(b""));
                Some(answer_by)
            }
        }
    }

    /// Waits for the answer to a ping until `answer_by`.
    pub(super) fn wait_for_answer(&self, answer_by: Instant) -> impl Future<Output = ()> + use<> {
        let intake = Rc::clone(&self.intake);
        async move {
            // The caller looks at what has arrived, at whatever time this ends.
            let _arrived_or_late = timeout_at(answer_by, intake.arrival()).await;
        }
    }

    /// Returns for how long the client has been silent, if its answer was due at `answer_by` and is missing.
    pub(super) fn silence_at(&self, answer_by: Instant) -> Option<Duration> {
        let now = Instant::now();
        // So late after the process was suspended. The answer may wait on the socket.
        if self.is_closing() || now > answer_by + SUSPENDED {
            return None;
        }
        self.silence(now)
    }

    /// Returns for how long the client has been silent, if it owes the answer to a ping.
    ///
    /// A client that accepts nothing has not received the ping: `session.stall_allowed` is its limit.
    fn silence(&self, now: Instant) -> Option<Duration> {
        let received_at = self.intake.received_at();
        let is_silent =
            self.outbox.stalled_for().is_zero() && self.heartbeat.is_unanswered(now, received_at);
        is_silent.then(|| now.saturating_duration_since(received_at))
    }

    /// Closes the session if its client owes the answer to a ping. Returns whether it did.
    pub(super) fn close_if_silent(&mut self, now: Instant, ctx: &mut SessionContext) -> bool {
        let Some(limit) = self.silence(now).filter(|_| !self.is_closing()) else { return false };
        self.close(&CloseReason::Silent { limit }, ctx);
        true
    }

    /// Closes the session unless its client answers a ping.
    pub(super) fn probe(&mut self, ctx: &mut SessionContext) {
        let Some(answer_by) = self.begin_probe() else { return };
        let answered = self.wait_for_answer(answer_by);
        ctx.spawn(answered.into_actor(self).map(move |(), session, ctx| {
            if session.silence_at(answer_by).is_some() {
                session.close_if_silent(Instant::now(), ctx);
            }
        }));
    }
}
