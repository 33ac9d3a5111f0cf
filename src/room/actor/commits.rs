//! The part of the room's actor that has edits stored, tells of them, and keeps snapshots.
//!
//! One batch, or one snapshot, is being made at a time: the replica is with it until it comes back. What the room
//! itself holds is what is stored.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use super::{room::Room, yjs_sync::Beginning};
use crate::{
    domain::{Change, ChangeKind, Event, Origin, UserId},
    editing::{
        LoadError, Replica,
        loader::{LastSnapshot, off_thread},
        queue::Reply,
        turn::{self, DocumentState, TurnContext, TurnOutcome},
    },
    room::SeatEnd,
    wire::envelope::Envelope,
};

/// A log of more bytes than this, and than the text has, is not left without a snapshot.
const MAX_LOG_TAIL_BYTES: usize = 1024 * 1024;

impl Room {
    /// Stores what waits, unless something is being stored: then it gathers.
    pub(in crate::room) fn store_next(&mut self, ctx: &mut Context<Self>) {
        if !self.edits.is_storing() && self.snapshot_is_due(self.shared.options.snapshot_every) {
            self.edits.hold();
            return self.keep_snapshot(ctx, |room, ctx| {
                room.edits.stored();
                room.after_storing(ctx);
            });
        }
        let (orders, replies) = self.edits.next();
        if orders.is_empty() {
            return;
        }
        let (desk, editing) = self.begin_turn();
        let began = Instant::now();
        let turn = turn::run(desk, editing, orders);
        ctx.spawn(turn.into_actor(self).map(move |turn, room, ctx| {
            room.shared.parts.metrics.edit_committed(began.elapsed());
            room.edits.stored();
            room.stored(turn, replies, began, ctx);
            room.after_storing(ctx);
        }));
    }

    /// What a turn works with. The replica is with it until it comes back.
    pub(in crate::room) fn begin_turn(&mut self) -> (TurnContext, DocumentState) {
        let editing = DocumentState {
            head: self.editing.head.clone(),
            replica: self.editing.replica.take(),
            snapshot: self.editing.snapshot,
            recent: Arc::clone(&self.editing.recent),
        };
        let desk = TurnContext {
            document: self.document,
            store: self.shared.parts.store.clone(),
            texts: self.shared.texts.clone(),
            limit: self.shared.parts.document_limit,
            state_limit: self.shared.parts.state_limit,
            structs_limit: self.shared.parts.structs_limit,
            apply_within: self.shared.options.apply_within,
            benches: self.benches.clone(),
            rebase_bytes: self.shared.options.rebase_bytes,
        };
        (desk, editing)
    }

    pub(in crate::room) fn after_storing(&mut self, ctx: &mut Context<Self>) {
        self.follow_if_behind(ctx);
        self.serve_editors(ctx);
        self.store_next(ctx);
        self.linger_if_idle(ctx);
        self.close_if_due(ctx);
    }

    /// Tells the others, then answers the authors: both only now that it is stored.
    pub(in crate::room) fn stored(
        &mut self,
        turn: TurnOutcome,
        replies: Vec<Reply>,
        began: Instant,
        ctx: &mut Context<Self>,
    ) {
        let told = self.editing.head.as_ref().map(|head| head.version);
        self.editing = turn.editing;
        if let Some(told) = told.filter(|_| turn.has_gap) {
            self.close_gap(told, ctx);
        }
        if !turn.changes.is_empty() {
            self.beginning = Beginning::default();
        }
        self.merged = turn.merged;
        for (index, change) in turn.changes.into_iter().enumerate() {
            Arc::make_mut(&mut self.editing.recent).push(Arc::clone(&change));
            self.tell_change(change, index < turn.followed, began, ctx);
        }
        if turn.is_untold
            && let Some(version) = self.editing.head.as_ref().map(|head| head.version)
        {
            self.shared.parts.bridge.publish(self.document, Envelope::Stored { version });
        }
        for (reply, answer) in replies.into_iter().zip(turn.answers) {
            if reply.send(answer).is_err() {
                tracing::debug!("a change was stored after its author had gone");
            }
        }
    }

    fn tell_change(
        &mut self,
        change: Arc<Change>,
        is_followed: bool,
        began: Instant,
        ctx: &mut Context<Self>,
    ) {
        let is_deleted = change.kind == ChangeKind::Deleted;
        // What an account that is gone did came from nobody here.
        let nobody = Origin { user: UserId::new(), session: None };
        let origin = change.origin().unwrap_or(nobody);
        let event = Event::Changed(change);
        if is_followed {
            // Whoever stored it has told the other nodes.
            self.tell_here(origin, event, began, ctx);
        } else {
            self.tell(origin, event, began, ctx);
        }
        if is_deleted {
            let effects = self.state.revoke_all();
            self.carry_out(effects, SeatEnd::Deleted, began, ctx);
        }
    }

    /// Whether so many changes came since the newest snapshot, as far as the replica can tell.
    pub(in crate::room) fn snapshot_is_due(&self, changes: u32) -> bool {
        let (Some(head), Some(snapshot)) = (&self.editing.head, self.editing.snapshot) else {
            return false;
        };
        let Some(replica) = &self.editing.replica else { return false };
        let since = head.version.number() - snapshot.version.number();
        // However few they are: whoever opens the document reads them all.
        let is_long = snapshot.bytes_since > replica.content().bytes().max(MAX_LOG_TAIL_BYTES);
        since >= i64::from(changes.max(1)) || (is_long && since > 0)
    }

    /// Keeps the text as it is in a snapshot, then goes on. Without one nothing is lost: the log has it all.
    pub(in crate::room) fn keep_snapshot(
        &mut self,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let version = self.editing.head.as_ref().map(|head| head.version).unwrap_or_default();
        let (store, document) = (self.shared.parts.store.clone(), self.document);
        let every = self.shared.options.snapshot_every;
        let Some(replica) = self.editing.replica.take() else { return then(self, ctx) };
        let keep = async move {
            let (replica, state) = encode(replica).await?;
            store.store_snapshot(document, version, state, every).await?;
            Ok::<_, LoadError>(replica)
        };
        ctx.spawn(keep.into_actor(self).map(move |kept, room, ctx| {
            // Whatever came of it, the next one is due after as many changes again.
            room.editing.snapshot = Some(LastSnapshot { version, bytes_since: 0 });
            match kept {
                Ok(replica) => room.editing.replica = Some(replica),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, document.id = %document, "a snapshot could not be kept");
                }
            }
            then(room, ctx);
        }));
    }
}

/// The state of a replica, made where it holds nobody up.
async fn encode(replica: Replica) -> Result<(Replica, Vec<u8>), LoadError> {
    let bytes = replica.content().bytes();
    off_thread(bytes, move || {
        let mut replica = replica;
        let state = replica.state();
        replica.set_weight(state.len());
        (replica, state)
    })
    .await
}
