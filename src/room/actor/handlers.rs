//! What the room's actor does with the orders that it takes from sessions.

use actix::prelude::*;
use chrono::Utc;
use tokio::time::Instant;

use super::{
    mailbox::Take,
    messages::{AccessChanged, Close, Confirm, Edit, Leave, Move, Reserve},
    room::Room,
};
use crate::{
    domain::Topic,
    editing::EditError,
    room::{
        RoomError::{self, Closed, SeatVoided, SinceInFuture, Unavailable},
        SeatEnd,
    },
    wire::envelope::Envelope,
};

impl Take<Reserve> for Room {
    fn take(&mut self, Reserve(seat): Reserve, _ctx: &mut Self::Context) -> Result<(), RoomError> {
        if self.unreadable {
            return Err(Unavailable);
        }
        if self.closing {
            return Err(Closed);
        }
        self.state.reserve(seat);
        Ok(())
    }
}

impl Take<Confirm> for Room {
    fn take(
        &mut self,
        Confirm { place, key, since, stored, make }: Confirm,
        ctx: &mut Context<Self>,
    ) -> Result<(), RoomError> {
        let head = self.editing.head.as_ref().map(|head| head.version).ok_or(SeatVoided)?;
        // What was just stored may be known to the client before it is told here.
        let newest = stored.map_or(head, |stored| stored.max(head));
        if since.is_some_and(|since| since > newest) {
            return Err(SinceInFuture { head: newest });
        }
        let effects = self.admit(&place)?;
        let (seat, since) = (place.seat.id, since.filter(|_| key.topic == Topic::Changes));
        self.audiences.seat(key, place, since, head, make);
        self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
        self.catch_up(seat, ctx);
        Ok(())
    }
}

impl Take<Leave> for Room {
    fn take(&mut self, Leave(seat): Leave, ctx: &mut Self::Context) {
        self.audiences.remove(seat);
        self.editors.end(seat, None);
        let effects = self.state.leave(seat);
        self.carry_out(effects, SeatEnd::Broken, Instant::now(), ctx);
        self.forget_awareness_if_unused();
        self.linger_if_idle(ctx);
    }
}

impl Take<Move> for Room {
    fn take(&mut self, Move { session, cursor, accepted }: Move, ctx: &mut Self::Context) {
        if self.others.has(session) {
            let envelope = Envelope::MoveCursor { session, cursor };
            return self.shared.parts.bridge.publish(self.document, envelope);
        }
        let effects = self.state.move_cursor(session, cursor, Utc::now());
        self.carry_out(effects, SeatEnd::Broken, accepted, ctx);
        self.serve_editors(ctx);
    }
}

impl Take<Edit> for Room {
    fn take(
        &mut self,
        Edit { order, reply }: Edit,
        ctx: &mut Self::Context,
    ) -> Result<(), RoomError> {
        if self.unreadable {
            return Err(Unavailable);
        }
        if self.closing {
            return Err(Closed);
        }
        if self.must_close {
            // Its sender has been told to go away, or will be; there is nobody to open the document for again.
            if reply.send(Err(EditError::Busy)).is_err() {
                tracing::debug!("a change was refused after its author had gone");
            }
            return Ok(());
        }
        if let Err(reply) = self.edits.push(order, reply)
            && reply.send(Err(EditError::Busy)).is_err()
        {
            tracing::debug!("a change was refused after its author had gone");
        }
        self.store_next(ctx);
        Ok(())
    }
}

impl Take<AccessChanged> for Room {
    fn take(&mut self, AccessChanged { user, level }: AccessChanged, ctx: &mut Self::Context) {
        self.change_access(user, level, ctx);
    }
}

impl Take<Close> for Room {
    fn take(&mut self, _close: Close, ctx: &mut Self::Context) {
        self.must_close = true;
        self.close_if_due(ctx);
    }
}
