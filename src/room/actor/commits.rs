//! Stores edits, broadcasts what a turn has stored or followed, and answers the authors.
//!
//! One commit turn runs at a time; edits gather meanwhile.

use actix::prelude::*;
use tokio::time::Instant;

use super::Room;
use crate::{
    domain::Version,
    editing::turn::{self, TurnOutcome},
    wire::envelope::Envelope,
};

impl Room {
    /// Stores the waiting edits, unless some work has the document. A snapshot that is due goes first.
    pub(super) fn store_next(&mut self, ctx: &mut Context<Self>) {
        if self.editing.is_lent() {
            return;
        }
        if self.editing.is_snapshot_due(self.shared.options.snapshot_every) {
            return self.store_snapshot(ctx, |_room, _ctx| {});
        }
        let edits = self.editing.take_batch();
        if edits.is_empty() {
            return;
        }
        let (head, began) = (self.editing.version(), Instant::now());
        self.with_document(
            ctx,
            |context, state| turn::store(context, state, edits),
            move |room, outcome, ctx| {
                room.metrics().edit_committed(began.elapsed());
                room.finish_turn(outcome, head, began, ctx);
            },
        );
    }

    /// Broadcasts what a turn stored or found, then answers the authors. `head` is the head before the turn.
    pub(super) fn finish_turn(
        &mut self,
        outcome: TurnOutcome,
        head: Option<Version>,
        began: Instant,
        ctx: &mut Context<Self>,
    ) {
        if let Some(head) = head.filter(|_| outcome.has_gap) {
            self.replay_from_log(head, ctx);
        }
        for stored in outcome.changes {
            self.broadcast_change(stored, began, ctx);
        }
        if outcome.is_unpublished
            && let Some(version) = self.editing.version()
        {
            self.parts().bridge.publish(self.document, Envelope::Stored { version });
        }
        for (reply, answer) in outcome.answers {
            if reply.send(answer).is_err() {
                tracing::debug!("an edit was answered after its author had left");
            }
        }
    }
}
