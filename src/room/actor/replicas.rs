//! Gives the replica up when the node asks for its memory. It is loaded again when it is needed.

use actix::prelude::*;

use super::Room;
use crate::room::delivery::initial_sync::InitialSync;

impl Room {
    /// Notes what the replica takes, after it was used, or a large text that is here without one.
    pub(super) fn note_replica(&mut self) {
        let bytes = self.editing.held_bytes();
        let loaded = self.editing.take_load();
        self.replica_place.note(self.editing.payer(), bytes, loaded);
    }

    /// Notes what the replica or a large text takes after a change that was applied without a turn, if it differs noticeably from
    /// what was noted.
    pub(super) fn note_growth(&mut self) {
        if self.replica_place.is_outdated(self.editing.held_bytes()) {
            self.note_replica();
        }
    }

    /// Waits until the node asks for the memory of the replica.
    pub(super) fn await_give_way(&self, ctx: &mut Context<Self>) {
        let give_way = self.replica_place.give_way();
        self.spawn(ctx, async move { give_way.notified().await }, |room, (), ctx| {
            room.give_replica_up(ctx);
            room.await_give_way(ctx);
        });
    }

    /// Drops the replica if the node asks for its memory, before it is used again: edits may follow each other without a pause.
    /// A snapshot that is due was stored before; none is stored for each edit.
    pub(super) fn give_way_between_edits(&mut self) {
        if self.editing.can_give_way() && self.replica_place.is_asked() {
            tracing::debug!("the replica gives way to others between two edits");
            self.drop_replica();
        }
    }

    /// Drops the replica, and stores a snapshot first if anything has changed. A replica that is in use stays; the node asks
    /// again after the use.
    fn give_replica_up(&mut self, ctx: &mut Context<Self>) {
        if !self.editing.can_give_way() {
            return;
        }
        tracing::debug!("the replica gives way to others");
        if self.editing.is_snapshot_due(1) {
            self.store_snapshot(ctx, |room, _ctx| room.drop_replica());
        } else {
            self.drop_replica();
        }
    }

    fn drop_replica(&mut self) {
        self.editing.drop_replica();
        self.editors.set_initial_sync(InitialSync::default());
        self.note_replica();
    }
}
