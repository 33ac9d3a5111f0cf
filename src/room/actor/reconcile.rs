//! The part of the room's actor that finds out what other nodes did: it is told what the store has, and reads what it
//! did not know of.
//!
//! Whatever else tells of changes may lose them; this does not. A change is told in the order of versions, from the log;
//! of a changed access the present one is read for everybody who sits here.

use actix::prelude::*;
use tokio::time::Instant;

use super::{mailbox::Take, messages::Compare, room::Room};
use crate::{
    domain::{AccessLevel, UserId},
    editing::turn,
    room::SeatEnd,
    store::StoreError,
};

impl Room {
    /// Reads and tells what others stored, unless something is being stored here: then it comes after that.
    pub(in crate::room) fn follow_if_behind(&mut self, ctx: &mut Context<Self>) {
        let Some(head) = &self.editing.head else { return };
        if self.known <= head.version || self.edits.is_storing() {
            return;
        }
        // If it cannot be read, the next comparison tries again; what is heard of meanwhile is looked at after this.
        let up_to = std::mem::take(&mut self.known);
        let offered = self.offered.take_after(head.version);
        self.edits.hold();
        let (desk, editing) = self.begin_turn();
        let began = Instant::now();
        let turn = turn::follow(desk, editing, offered, up_to);
        ctx.spawn(turn.into_actor(self).map(move |turn, room, ctx| {
            room.edits.stored();
            room.stored(turn, Vec::new(), began, ctx);
            room.after_storing(ctx);
        }));
    }

    /// Reads what everybody who sits here may do.
    fn read_levels(&mut self, access_version: i64, ctx: &mut Context<Self>) {
        let (store, document) = (self.shared.parts.store.clone(), self.document);
        let users = self.state.users();
        let levels = async move {
            // The end of a document is told as a change, and ends every seat.
            let Some(levels) = store.find_access_levels(document, &users).await? else {
                return Ok(vec![]);
            };
            let level = |user| (user, levels.get(&user).copied());
            Ok::<Vec<(UserId, Option<AccessLevel>)>, StoreError>(
                users.into_iter().map(level).collect(),
            )
        };
        ctx.spawn(levels.into_actor(self).map(move |levels, room, ctx| match levels {
            Ok(levels) => {
                room.access_seen = room.access_seen.max(access_version);
                for (user, level) in levels {
                    room.change_access(user, level, ctx);
                }
            }
            // The next comparison finds the same difference.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, document.id = %room.document, "who may what could not be read");
            }
        }));
    }

    pub(in crate::room) fn change_access(
        &mut self,
        user: UserId,
        level: Option<AccessLevel>,
        ctx: &mut Context<Self>,
    ) {
        let Some(level) = level else {
            let effects = self.state.revoke(user);
            self.carry_out(effects, SeatEnd::Revoked, Instant::now(), ctx);
            return self.linger_if_idle(ctx);
        };
        self.state.change_level(user, level);
    }
}

impl Take<Compare> for Room {
    fn take(&mut self, Compare(mark): Compare, ctx: &mut Self::Context) {
        if mark.access_version > self.access_seen {
            self.read_levels(mark.access_version, ctx);
        }
        self.known = self.known.max(mark.version);
        self.follow_if_behind(ctx);
    }
}
