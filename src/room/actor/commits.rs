//! Takes edits and stores them, broadcasts what a turn has stored or followed, and answers the authors.
//!
//! One commit turn runs at a time; edits gather meanwhile.

use actix::prelude::*;
use tokio::time::Instant;

use super::{Room, mailbox::Take, messages::SubmitEdit};
use crate::{
    domain::Version,
    editing::{
        EditError, open_document::OpenDocument, turn, turn_document::Continuity,
        turn_exchange::TurnOutcome,
    },
    room::RoomError,
    store::{DocumentLock, StoreError},
    wire::envelope::Envelope,
};

impl Take<SubmitEdit> for Room {
    fn take(
        &mut self,
        SubmitEdit(edit): SubmitEdit,
        ctx: &mut Self::Context,
    ) -> Result<(), RoomError> {
        self.lifecycle.check_open()?;
        // During a shutdown the author's session is being closed; the document is not opened again for the edit.
        let refused = if self.lifecycle.is_shutting_down() {
            Some(edit.reply)
        } else {
            self.editing.push(edit).err()
        };
        if let Some(reply) = refused
            && reply.send(Err(EditError::Busy)).is_err()
        {
            tracing::debug!("an edit was refused after its author had left");
        }
        self.store_next(ctx);
        Ok(())
    }
}

impl Room {
    /// Stores the waiting edits, unless some work has the document. What other nodes stored is applied in the same turn, so
    /// that edits here do not wait for as long as other nodes write. A snapshot that is due goes first.
    pub(super) fn store_next(&mut self, ctx: &mut Context<Self>) {
        // It is never due while the document is lent.
        if self.editing.is_snapshot_due(self.shared.options.snapshot_every) {
            return self.store_snapshot(ctx, |_room, _ctx| {});
        }
        if !self.editing.can_store() {
            return;
        }
        self.give_way_between_edits();
        // A replica that has to be loaded is loaded before the document is locked.
        let can_lock = self.editing.replica().is_some() && self.parts().store.can_lock();
        if self.editing.is_contended() && can_lock {
            return self.lock_and_store(ctx);
        }
        self.store_batch(None, ctx);
    }

    /// Locks the document in the database, then stores what waits by then.
    fn lock_and_store(&mut self, ctx: &mut Context<Self>) {
        self.editing.set_locking(true);
        let (store, document) = (self.parts().store.clone(), self.document);
        let pause = self.editing.lock_pace().pause(Instant::now());
        let locking = async move {
            tokio::time::sleep(pause).await;
            let began = Instant::now();
            (store.lock_document(document).await, began.elapsed())
        };
        self.spawn(ctx, locking, |room, (lock, waited), ctx| {
            room.editing.set_locking(false);
            room.editing.lock_pace().note_locked(waited, Instant::now());
            match lock {
                Ok(lock) if room.editing.can_store() => room.store_batch(Some(lock), ctx),
                // Some work has borrowed the document; when it returns, this begins again.
                Ok(_lock) => {}
                Err(error) => room.refuse_all(&error),
            }
            room.sync_editors(ctx);
            room.follow_if_behind(ctx);
            room.linger_if_idle(ctx);
            room.close_if_due(ctx);
        });
    }

    /// Refuses every waiting edit.
    fn refuse_all(&mut self, error: &StoreError) {
        for edit in self.editing.take_all() {
            if edit.reply.send(Err(error.clone().into())).is_err() {
                tracing::debug!("an edit was refused after its author had left");
            }
        }
    }

    fn store_batch(&mut self, lock: Option<DocumentLock>, ctx: &mut Context<Self>) {
        let (head, began) = (self.editing.version(), Instant::now());
        let missed = head.and_then(|head| self.remote.take_missed(head));
        self.with_document(
            ctx,
            OpenDocument::lend_for_batch,
            |context, (state, edits)| turn::store(context, state, edits, missed, lock),
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
        match (outcome.continuity, head) {
            (Continuity::Gap, Some(head)) => self.replay_from_log(head, ctx),
            (Continuity::Restarted { lost, cause }, _) => self.restart(lost, cause, ctx),
            (Continuity::Whole | Continuity::Gap, _) => {}
        }
        self.remote.note_doubtful(outcome.doubtful, Instant::now());
        if outcome.is_unpublished
            && let Some(version) = self.editing.version()
        {
            self.parts().bridge.publish(self.document, Envelope::Stored { version });
        }
        for stored in outcome.changes {
            self.broadcast_change(stored, began, ctx);
        }
        for (reply, answer) in outcome.answers {
            if reply.send(answer).is_err() {
                tracing::debug!("an edit was answered after its author had left");
            }
        }
    }
}
