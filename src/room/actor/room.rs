//! The room: how it opens, how work borrows its document, and how it closes.
//!
//! A room without seats and edits lingers, then closes, at once if its document does not exist. Its mailbox holds `room.mailbox` messages.

use std::{future::Future, sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{
    Room, lifecycle::Lifecycle, member_gauge::MemberGauge, registration::Registration,
    relayed::RelayedMoves, remote_state::RemoteState,
};
use crate::{
    domain::DocumentId,
    editing::{
        document_state::DocumentState, open_document::OpenDocument, queue::EditQueue,
        turn_context::TurnContext, work_permits::WorkPermits,
    },
    metrics::Metrics,
    room::{
        RoomParts, SeatEnd,
        awareness::state::RoomAwareness,
        delivery::{audience::Audiences, editors::Editors},
        members::{membership::Membership, remote_presence::RosterRead},
        parts::RoomsShared,
    },
};

/// How long the opening of a document waits for Redis.
const REDIS_WAIT: Duration = Duration::from_millis(150);

impl Room {
    /// Returns a room without members. The actor opens the document when it starts.
    pub(in crate::room) fn new(
        document: DocumentId,
        shared: Arc<RoomsShared>,
        registration: Registration,
        relayed: RelayedMoves,
    ) -> Self {
        let RoomsShared { parts, options, permits, clocks, .. } = &*shared;
        let metrics = &parts.metrics;
        let queue = EditQueue::new(options.edits_waiting, options.edits_waiting_bytes);
        let permits = WorkPermits::new(permits.clone());
        let replica_place = shared.documents.place_of(document);
        Self {
            document,
            // Of its own, since the session or request that opens a room does not own it; and not filtered out with `info`,
            // since warnings need the document.
            span: tracing::error_span!(parent: None, "room", document.id = %document),
            members: Membership::new(document),
            member_gauge: MemberGauge::new(metrics.clone()),
            audiences: Audiences::new(metrics.clone()),
            editors: Editors::new(metrics.clone()),
            awareness: RoomAwareness::new(clocks.clone()),
            editing: OpenDocument::new(queue, permits, options.recent_bytes),
            remote: RemoteState::default(),
            relayed,
            replica_place,
            lifecycle: Lifecycle::new(registration, metrics.room_opened()),
            shared,
        }
    }

    pub(super) fn parts(&self) -> &RoomParts {
        &self.shared.parts
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.parts.metrics
    }

    /// Runs a future beside the actor, then `then` in its turn, both inside the room's span.
    pub(super) fn spawn<T: 'static>(
        &self,
        ctx: &mut Context<Self>,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        let future = future.instrument(self.span.clone()).into_actor(self);
        ctx.spawn(future.map(|output, room, ctx| {
            room.in_span(|room| then(room, output, ctx));
        }));
    }

    /// Runs `then` after a delay, inside the room's span.
    pub(super) fn run_later(
        &self,
        ctx: &mut Context<Self>,
        delay: Duration,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) -> SpawnHandle {
        ctx.run_later(delay, |room, ctx| room.in_span(|room| then(room, ctx)))
    }

    /// Runs `work` inside the room's span.
    pub(super) fn in_span<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let span = self.span.clone();
        let _entered = span.enter();
        work(self)
    }

    /// Lends the document to `work`, takes it back, and then runs `then`. Afterwards the room goes on with what waited.
    /// Does nothing if `lend` returns none.
    ///
    /// This is the only place that lends the document.
    pub(super) fn with_document<L, T, F>(
        &mut self,
        ctx: &mut Context<Self>,
        lend: impl FnOnce(&mut OpenDocument) -> Option<L>,
        work: impl FnOnce(TurnContext, L) -> F,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) where
        T: 'static,
        F: Future<Output = (DocumentState, T)> + 'static,
    {
        let Some(lent) = lend(&mut self.editing) else { return };
        let work = work(self.turn_context(), lent);
        self.spawn(ctx, work, |room, (state, output), ctx| {
            room.editing.take_back(state);
            room.note_replica();
            then(room, output, ctx);
            room.resume_waiting_work(ctx);
        });
    }

    /// Continues with what waited for the document.
    fn resume_waiting_work(&mut self, ctx: &mut Context<Self>) {
        if self.lifecycle.is_closing() {
            return;
        }
        self.sync_editors(ctx);
        self.store_next(ctx);
        self.follow_if_behind(ctx);
        self.linger_if_idle(ctx);
        self.close_if_due(ctx);
    }

    fn turn_context(&self) -> TurnContext {
        self.shared.turn_context(self.document, self.editing.permits().clone())
    }

    /// Reads the head and who has the document open elsewhere, before anything else is done.
    ///
    /// The room is attached to the relay first, so what happens in between is received twice rather than missed. A slow
    /// Redis is not waited for: the relay has the room compared when it is attached, and who is elsewhere is read beside.
    fn open_document(&mut self, ctx: &mut Context<Self>) {
        let (shared, document) = (Arc::clone(&self.shared), self.document);
        self.remote.begin_roster_read();
        let reading = async move {
            let RoomParts { store, bridge, roster, .. } = &shared.parts;
            let roster = Arc::clone(roster);
            let mut others = tokio::spawn(async move { roster.find_snapshot(document).await });
            let attaching = async {
                if timeout(REDIS_WAIT, bridge.attach(document)).await.is_err() {
                    tracing::debug!("opened before the relay has attached the document");
                }
                store.find_head(document).await
            };
            let (head, read) = futures_util::join!(attaching, timeout(REDIS_WAIT, &mut others));
            let others = read.map_or(Err(others), |read| Ok(read.ok().flatten()));
            (head, others)
        };
        let reading = reading.instrument(self.span.clone()).into_actor(self);
        // Nothing else runs until the head is known.
        ctx.wait(reading.map(|(head, others), room, ctx| {
            room.in_span(|room| match head {
                Ok(head) => {
                    room.remote.note_access(head.as_ref().map_or(0, |head| head.access_version));
                    room.editing.open_at(head);
                    match others {
                        Ok(others) => room.end_roster_read(others, RosterRead::Usual, ctx),
                        Err(reading) => room.spawn(ctx, reading, |room, others, ctx| {
                            room.end_roster_read(others.ok().flatten(), RosterRead::Usual, ctx);
                        }),
                    }
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "could not open the document");
                    room.lifecycle.set_unreadable();
                    // Requests that wait in the mailbox are answered first.
                    room.run_later(ctx, Duration::ZERO, Self::close);
                }
            });
        }));
    }

    /// Closes the room after `room.linger` if it stays idle. A page reload leaves and rejoins within a second. A room of a document
    /// that was deleted closes at once: the document may be brought back, and only a new room finds it.
    pub(super) fn linger_if_idle(&mut self, ctx: &mut Context<Self>) {
        let delay = match self.editing.is_missing() {
            true => Duration::ZERO,
            false => self.shared.options.linger,
        };
        let timer = self.is_idle().then(|| {
            self.run_later(ctx, delay, |room, ctx| {
                if room.is_idle() {
                    room.close(ctx);
                }
            })
        });
        if let Some(timer) = self.lifecycle.set_lingering(timer) {
            ctx.cancel_future(timer);
        }
    }

    fn is_idle(&self) -> bool {
        self.members.is_empty() && self.editing.is_idle()
    }

    /// Closes the room if the node is shutting down and nothing is being stored.
    pub(super) fn close_if_due(&mut self, ctx: &mut Context<Self>) {
        let is_due = self.lifecycle.is_shutting_down() && !self.lifecycle.is_closing();
        if is_due && self.editing.is_idle() {
            self.close(ctx);
        }
    }

    /// Takes nothing more, stores a snapshot if anything changed, and stops.
    fn close(&mut self, ctx: &mut Context<Self>) {
        self.lifecycle.begin_closing();
        self.compact_if_due(ctx, |room, ctx| {
            if room.editing.is_snapshot_due(1) {
                room.store_snapshot(ctx, |_room, ctx| ctx.stop());
            } else {
                ctx.stop();
            }
        });
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.in_span(|room| {
            room.open_document(ctx);
            room.await_give_way(ctx);
            room.linger_if_idle(ctx);
        });
    }
}

/// However the room ends, its subscribers, the roster and the relay are told.
impl Drop for Room {
    fn drop(&mut self) {
        self.in_span(|room| {
            room.audiences.evict_all(SeatEnd::Broken);
            room.editors.evict_all(SeatEnd::Broken);
            for session in room.members.sessions() {
                room.shared.parts.roster.exit(room.document, session);
            }
            room.shared.parts.bridge.detach(room.document);
        });
    }
}
