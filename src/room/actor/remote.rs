//! Handlers of messages from other nodes.
//!
//! What comes from another node is broadcast here and not published again. A change that follows the head is applied as it
//! came; otherwise the log is read. Arrivals and departures are numbered by the roster; where a number is missing, the
//! roster is read.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use chrono::Utc;
use tokio::time::Instant;

use super::{
    Room,
    mailbox::Take,
    messages::{CheckRoster, DeliverEnvelope, TakeRelayed},
    relayed::RelayedMove,
};
use crate::{
    domain::{Change, CursorMove, Event, Origin, PresenceChange},
    editing::{
        open_document::{OpenDocument, Published},
        turn,
        turn_exchange::StoredChange,
    },
    room::members::remote_presence::{PresenceOutcome, RosterFollowUp, RosterRead},
    roster::RosterSnapshot,
    wire::envelope::Envelope,
};

/// How long a room applies relayed moves before other tasks of its thread work.
const SLICE: Duration = Duration::from_millis(2);

/// How long to wait before the roster is read again to settle a doubt.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Take<DeliverEnvelope> for Room {
    fn take(&mut self, DeliverEnvelope(envelope): DeliverEnvelope, ctx: &mut Self::Context) {
        match envelope {
            Envelope::Changed(change) => self.apply_remote_change(change, ctx),
            Envelope::Stored { version } => {
                // Usually it was read from the log together with others. But it may be another one with the same number.
                if self.editing.version().is_some_and(|head| version <= head) {
                    self.remote.doubt_head();
                }
                self.remote.announce(version);
                self.follow_if_behind(ctx);
            }
            Envelope::MoveCursor { session, cursor } => {
                let effects = self.members.move_cursor(session, cursor, Utc::now());
                self.apply(effects, Instant::now(), ctx);
            }
            Envelope::Joined { presence, sequence } => {
                let outcome = self.remote.presence_mut().join(presence, sequence);
                self.apply_presence(outcome, ctx);
                self.sync_editors(ctx);
            }
            Envelope::Left { session, sequence } => {
                let outcome = self.remote.presence_mut().leave(session, sequence);
                self.apply_presence(outcome, ctx);
            }
            Envelope::QueryMoves => self.publish_moves(ctx),
            Envelope::AccessChanged { user, access, .. } => self.change_access(user, access, ctx),
            Envelope::Stateless { session, payload } => {
                self.broadcast_stateless(session, &payload);
            }
            // They wait in front of the mailbox.
            Envelope::CursorMoved(_) | Envelope::AwarenessUpdated(_) => {}
            // All rooms of the node are compared in one query; each then receives `CompareHead`.
            Envelope::Compare => {}
        }
    }
}

impl Take<TakeRelayed> for Room {
    fn take(&mut self, _waiting: TakeRelayed, ctx: &mut Self::Context) {
        self.take_relayed(ctx);
    }
}

impl Take<CheckRoster> for Room {
    fn take(&mut self, check: CheckRoster, ctx: &mut Self::Context) {
        match check {
            CheckRoster::OwnNumber(sequence) => {
                let outcome = self.remote.presence_mut().count_own(sequence);
                self.apply_presence(outcome, ctx);
            }
            CheckRoster::At(sequence) => {
                if self.remote.presence().differs(sequence) {
                    self.read_roster(RosterRead::Usual, ctx);
                }
            }
        }
    }
}

impl Room {
    /// Applies a change of another node at once if it is the next one, which is usual, and broadcasts it. Otherwise it is
    /// kept, and the room follows.
    fn apply_remote_change(&mut self, change: Arc<Change>, ctx: &mut Context<Self>) {
        let began = Instant::now();
        match self.editing.apply_published(&change) {
            Published::Applied(change) => {
                self.note_growth();
                self.remote.forget_changes_up_to(change.version);
                let stored = StoredChange { change, is_remote: true, is_merged: false };
                self.broadcast_change(stored, began, ctx);
            }
            Published::Waits => self.remote.add_change(change, self.editing.version()),
            Published::Misfit => self.remote.announce(change.version),
            Published::Diverged => self.remote.doubt_head(),
        }
        self.follow_if_behind(ctx);
    }

    /// Applies what other nodes stored, if this room is behind. Does nothing while the document is lent; it is called again
    /// when the document returns.
    pub(super) fn follow_if_behind(&mut self, ctx: &mut Context<Self>) {
        // The turn that waits for the lock applies them as well.
        if self.editing.is_lent() || self.editing.is_locking() {
            return;
        }
        let Some(head) = self.editing.version() else { return };
        let Some(missed) = self.remote.take_missed(head) else { return };
        let began = Instant::now();
        self.with_document(
            ctx,
            OpenDocument::lend,
            |context, state| turn::follow(context, state, missed),
            move |room, outcome, ctx| room.finish_turn(outcome, Some(head), began, ctx),
        );
    }

    /// Applies the relayed moves that wait, and lets other tasks of the thread work after each slice of them.
    pub(super) fn take_relayed(&mut self, ctx: &mut Context<Self>) {
        let began = Instant::now();
        let mut moves = self.relayed.take().into_iter();
        for relayed in moves.by_ref() {
            match relayed {
                RelayedMove::Cursor(moved) => {
                    self.shared.clocks.note_remote_time(moved.at, Utc::now());
                    if self.remote.presence_mut().move_cursor(&moved) {
                        self.broadcast_cursor(moved, ctx);
                    }
                }
                RelayedMove::Awareness(update) => self.apply_remote_awareness(&update),
            }
            if began.elapsed() >= SLICE {
                break;
            }
        }
        self.sync_editors(ctx);
        if self.relayed.put_back(moves) {
            self.spawn(ctx, tokio::task::yield_now(), |room, (), ctx| room.take_relayed(ctx));
        }
    }

    fn broadcast_cursor(&mut self, moved: Arc<CursorMove>, ctx: &mut Context<Self>) {
        let origin = Origin { user: moved.user.id, session: Some(moved.session) };
        self.broadcast_remote(origin, &Event::CursorMoved(moved), Instant::now(), ctx);
    }

    fn apply_presence(&mut self, outcome: PresenceOutcome, ctx: &mut Context<Self>) {
        match outcome {
            PresenceOutcome::Unchanged => {}
            PresenceOutcome::Changed(change) => self.broadcast_presence(change, ctx),
            PresenceOutcome::Gap => self.read_roster(RosterRead::Usual, ctx),
        }
    }

    fn broadcast_presence(&mut self, change: PresenceChange, ctx: &mut Context<Self>) {
        let session = change.presence.session;
        let origin = Origin { user: change.presence.user.id, session: Some(session) };
        let event = Event::PresenceChanged(Arc::new(change));
        self.broadcast_remote(origin, &event, Instant::now(), ctx);
        if let Some(moved) = self.remote.presence_mut().take_early_cursor(session) {
            self.broadcast_cursor(moved, ctx);
        }
    }

    /// Reads from the roster who is on other nodes, unless it is being read.
    fn read_roster(&mut self, read: RosterRead, ctx: &mut Context<Self>) {
        if !self.remote.begin_roster_read() {
            return self.retry_settling(read, ctx);
        }
        let (roster, document) = (Arc::clone(&self.parts().roster), self.document);
        let reading = async move { roster.find_snapshot(document).await };
        self.spawn(ctx, reading, move |room, snapshot, ctx| {
            room.end_roster_read(snapshot, read, ctx);
        });
    }

    /// Applies what was read from the roster. None if it could not be read.
    pub(super) fn end_roster_read(
        &mut self,
        snapshot: Option<RosterSnapshot>,
        read: RosterRead,
        ctx: &mut Context<Self>,
    ) {
        self.remote.end_roster_read();
        match snapshot {
            Some(snapshot) => self.reconcile_presence(snapshot, read, ctx),
            // After a usual read the next comparison tries again.
            None => self.retry_settling(read, ctx),
        }
    }

    /// Reads the roster again later if the read was to settle a doubt, which has to be settled.
    fn retry_settling(&mut self, read: RosterRead, ctx: &mut Context<Self>) {
        match read {
            RosterRead::Usual => {}
            RosterRead::Settling => {
                self.run_later(ctx, RETRY_AFTER, |room, ctx| {
                    room.read_roster(RosterRead::Settling, ctx);
                });
            }
        }
    }

    /// Broadcasts the difference between what was known and the roster.
    fn reconcile_presence(
        &mut self,
        snapshot: RosterSnapshot,
        read: RosterRead,
        ctx: &mut Context<Self>,
    ) {
        let (changes, follow_up) = self.remote.presence_mut().reconcile(snapshot, read);
        for change in changes {
            self.broadcast_presence(change, ctx);
        }
        match follow_up {
            RosterFollowUp::Nothing => {}
            RosterFollowUp::Read => self.read_roster(RosterRead::Usual, ctx),
            RosterFollowUp::Settle => {
                self.run_later(ctx, self.shared.options.settle, |room, ctx| {
                    room.read_roster(RosterRead::Settling, ctx);
                });
            }
        }
    }
}
