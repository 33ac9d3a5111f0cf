//! What a session can be ordered to do by its node.

use std::time::Duration;

use actix::prelude::*;

use super::{actor::Session, error::seat_lost, socket::SessionContext};
use crate::{room::SeatEnd, wire::CloseReason};

/// Go away `wait` from now, when nothing is being executed any more: the node is going down.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain {
    pub(super) wait: Duration,
}

impl Handler<Drain> for Session {
    type Result = ();

    fn handle(&mut self, Drain { wait }: Drain, ctx: &mut SessionContext) {
        ctx.run_later(wait, move |session, ctx| session.go_away(wait, ctx));
    }
}

/// The room has ended the seat of the session's editor, and with it the session.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SeatLost(pub(super) SeatEnd);

impl Handler<SeatLost> for Session {
    type Result = ();

    fn handle(&mut self, SeatLost(why): SeatLost, ctx: &mut SessionContext) {
        self.end(&seat_lost(why), ctx);
    }
}

/// The session's user has too many: end.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EvictSession;

impl Handler<EvictSession> for Session {
    type Result = ();

    fn handle(&mut self, _evict: EvictSession, ctx: &mut SessionContext) {
        self.parts.metrics.slot_refused();
        self.end(&CloseReason::ConnectionLimit, ctx);
    }
}
