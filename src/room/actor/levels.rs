//! Sends clients the access levels of their users, and every change of them.

use std::sync::Arc;

use actix::prelude::*;
use chrono::Utc;
use tokio::time::Instant;

use super::Room;
use crate::{
    domain::{AccessLevel, Event, Topic, UserId, UserLevel},
    room::members::seat::Seat,
};

impl Room {
    /// Sends the clients of a user their new level.
    pub(super) fn send_level(&mut self, user: UserId, level: AccessLevel, ctx: &mut Context<Self>) {
        let report = self.audiences.broadcast_level(&self.level_event(user, level));
        self.editors.send_scope(user, level.allows(AccessLevel::Edit));
        let effects = self.settle_broadcast(Topic::Level, report, Instant::now(), ctx);
        self.apply(effects, Instant::now(), ctx);
    }

    /// Sends a new subscriber the present level of its user.
    pub(super) fn send_level_to(
        &mut self,
        seat: &Arc<Seat>,
        level: AccessLevel,
        ctx: &mut Context<Self>,
    ) {
        let event = self.level_event(seat.user().id, level);
        let report = self.audiences.send_level(seat.id(), &event);
        let effects = self.settle_broadcast(Topic::Level, report, Instant::now(), ctx);
        self.apply(effects, Instant::now(), ctx);
    }

    fn level_event(&self, user: UserId, level: AccessLevel) -> Event {
        let read = UserLevel { document: self.document, user, level, at: Utc::now() };
        Event::LevelRead(Arc::new(read))
    }
}
