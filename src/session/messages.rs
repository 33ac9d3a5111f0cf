//! The messages that a session's actor receives from its node.

use std::time::Duration;

use actix::prelude::*;

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
