//! Handlers of the messages that sessions send.

use std::sync::Arc;

use actix::prelude::*;
use chrono::Utc;
use tokio::time::Instant;

use super::{
    Room,
    mailbox::Take,
    messages::{ChangeAccess, Close, Confirm, Leave, MoveCursor, Reserve},
    reconcile::LevelRead,
};
use crate::{
    domain::{AccessChange, Topic, UserId, Version},
    outbox::SeatId,
    room::{
        Confirmation, RoomError, SeatEnd,
        members::{membership::Effect, seat::Seat},
    },
    wire::envelope::Envelope,
};

impl Take<Reserve> for Room {
    fn take(&mut self, Reserve(seat): Reserve, _ctx: &mut Self::Context) -> Result<(), RoomError> {
        self.lifecycle.check_open()?;
        self.members.reserve(seat);
        Ok(())
    }
}

impl Take<Confirm> for Room {
    fn take(
        &mut self,
        Confirm { seat, confirmation }: Confirm,
        ctx: &mut Context<Self>,
    ) -> Result<(), RoomError> {
        let result = self.take_confirm(&seat, confirmation, ctx);
        if let Err(error) = &result {
            tracing::info!(
                session.id = %seat.session(), user.id = %seat.user().id, topic = ?seat.topic(),
                reason = %error, "subscription refused"
            );
        }
        result
    }
}

impl Room {
    fn take_confirm(
        &mut self,
        seat: &Arc<Seat>,
        confirmation: Confirmation,
        ctx: &mut Context<Self>,
    ) -> Result<(), RoomError> {
        // A deleted document has no head; its deletion voids the seat.
        let head = self.editing.version().ok_or(RoomError::SeatVoided)?;
        match confirmation {
            Confirmation::Audience { key, operation, since, stored, make } => {
                check_since(since, head, stored)?;
                self.audiences.check_room_for(&key, seat.user().id)?;
                let effects = self.confirm_seat(seat)?;
                let since = since.filter(|_| key.topic == Topic::Changes);
                self.audiences.add(key, (seat.clone(), operation), since, head, make);
                self.apply(effects, Instant::now(), ctx);
                if let (Topic::Level, Some(level)) = (seat.topic(), seat.level()) {
                    self.send_level_to(seat, level, ctx);
                }
                self.catch_up(seat.id(), ctx);
            }
            Confirmation::Editor(on_end) => {
                let effects = self.confirm_seat(seat)?;
                let is_first = self.editors.is_empty();
                self.editors.add(seat.clone(), on_end);
                if is_first {
                    self.begin_awareness(ctx);
                }
                self.apply(effects, Instant::now(), ctx);
                self.send_awareness(seat.id(), Utc::now());
                self.sync_editors(ctx);
            }
        }
        Ok(())
    }
}

impl Room {
    /// Confirms a reserved seat. Returns what follows from it.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] if the seat was taken away or given up since it was reserved.
    fn confirm_seat(&mut self, seat: &Arc<Seat>) -> Result<Vec<Effect>, RoomError> {
        let effects = self.members.confirm(seat.id(), Utc::now())?;
        if !seat.outbox().open_seat(seat.id()) || !seat.confirm() {
            // The session has ended. Its own `Leave` is on its way, but may have ended the seat before it was opened.
            seat.outbox().end_seat(seat.id(), None);
            self.members.leave(seat.id());
            return Err(RoomError::SeatVoided);
        }
        Ok(effects)
    }

    /// Takes one seat away.
    pub(super) fn evict_seat(&mut self, seat: SeatId, reason: SeatEnd, ctx: &mut Context<Self>) {
        let effects = self.members.evict(vec![(seat, reason)]);
        self.apply(effects, Instant::now(), ctx);
        self.linger_if_idle(ctx);
    }

    /// Applies a user's access. If it was revoked, the user's seats are taken away. A change that is older than the level
    /// that was read for a seat does not concern it: messages of two nodes may overtake each other.
    pub(super) fn change_access(
        &mut self,
        user: UserId,
        AccessChange { level, access_version }: AccessChange,
        ctx: &mut Context<Self>,
    ) {
        if let Some(level) = level {
            if self.members.change_level(user, level, access_version) {
                self.send_level(user, level, ctx);
            }
            return;
        }
        // The change is older than the level of a seat, or the database has lost the newer one.
        if access_version.is_some_and(|version| self.members.has_newer_level(user, version)) {
            self.read_levels(LevelRead::First, ctx);
        }
        let effects = self.members.revoke(user, access_version);
        self.apply(effects, Instant::now(), ctx);
        self.linger_if_idle(ctx);
    }
}

/// Checks that a replay does not begin after the last change. The client may know of a change that was stored and is not
/// broadcast here yet.
fn check_since(
    since: Option<Version>,
    head: Version,
    stored: Option<Version>,
) -> Result<(), RoomError> {
    let newest = stored.map_or(head, |stored| stored.max(head));
    if since.is_some_and(|since| since > newest) {
        return Err(RoomError::SinceInFuture { head: newest });
    }
    Ok(())
}

impl Take<Leave> for Room {
    fn take(&mut self, Leave(seat): Leave, ctx: &mut Self::Context) {
        self.audiences.remove(seat);
        self.editors.remove(seat);
        let effects = self.members.leave(seat);
        self.apply(effects, Instant::now(), ctx);
        self.clear_awareness_if_unused();
        self.linger_if_idle(ctx);
    }
}

impl Take<MoveCursor> for Room {
    fn take(
        &mut self,
        MoveCursor { session, cursor, accepted }: MoveCursor,
        ctx: &mut Self::Context,
    ) {
        if self.remote.presence().has(session) {
            let envelope = Envelope::MoveCursor { session, cursor };
            return self.parts().bridge.publish(self.document, envelope);
        }
        let effects = self.members.move_cursor(session, cursor, Utc::now());
        self.apply(effects, accepted, ctx);
        self.sync_editors(ctx);
    }
}

impl Take<ChangeAccess> for Room {
    fn take(&mut self, ChangeAccess { user, access }: ChangeAccess, ctx: &mut Self::Context) {
        self.change_access(user, access, ctx);
    }
}

impl Take<Close> for Room {
    fn take(&mut self, _close: Close, ctx: &mut Self::Context) {
        self.lifecycle.shut_down();
        self.close_if_due(ctx);
    }
}
