//! A conversation with one editor: it collects messages and hands out one step at a time.
//!
//! While one step runs, the messages for the next are collected. Whatever exceeds a rate limit waits, and delays nothing
//! else.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    admission,
    commit::{commit, commit_rest},
    pending_messages::{CollectedUpdates, PendingMessages},
    resync::Resync,
    stored_updates::{StoredUpdates, UpdateBatch},
    unstored_log::UnstoredLog,
};
use crate::{
    domain::{DocumentId, UserId, Version},
    editing::{Acknowledgement, EditKind, EditRequest},
    memory::Reservation,
    metrics::Metrics,
    room::{AWARENESS_TICK, EditorHandle, Rooms, SeatEnded, Subscriber, Subscription},
    session::{
        ConversationStep, EditorConversation, Limits, OpenEditors, RATE_LIMIT_WAIT, SessionLink,
        StepOutcome, Throttle, WaitingUpdates,
    },
    store::Store,
    wire::{
        CloseReason,
        yjs::{self, ClientClocks, Malformed},
    },
};

/// What conversations need from the node.
pub struct EditorParts {
    /// The open documents.
    pub rooms: Rooms,
    /// Reads access levels.
    pub store: Store,
    /// Limits the queries per user.
    pub throttle: Arc<Throttle<UserId>>,
    /// The metrics.
    pub metrics: Metrics,
    /// The `[limits]` section of the settings.
    pub limits: Limits,
    /// Logs changes that cannot be stored.
    pub unstored: UnstoredLog,
}

/// Begins conversations with the editors of a page.
pub struct PageEditors(pub Arc<EditorParts>);

impl OpenEditors for PageEditors {
    fn converse(&self, document: DocumentId) -> Box<dyn EditorConversation> {
        Box::new(Conversation::new(Arc::clone(&self.0), document, false))
    }
}

/// A conversation with one editor.
pub struct Conversation {
    parts: Arc<EditorParts>,
    document: DocumentId,
    /// The last version that was acknowledged with its state vector, 0 before the first. None if the editor wants none.
    acknowledged: Option<Arc<AtomicI64>>,
    /// The session; `None` before it is admitted.
    link: Option<Arc<SessionLink>>,
    seat: Option<EditorHandle>,
    pending: PendingMessages,
    running: RunningStep,
    /// The bytes of the updates that are being committed.
    committing_bytes: usize,
    stored: StoredUpdates,
    resync: Resync,
    /// When the editor's awareness may be broadcast again.
    broadcast_at: Option<Instant>,
}

/// The step that the session is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunningStep {
    None,
    /// Updates are being committed.
    Commit(UpdateBatch),
    /// A query is being answered, or sync step 1 is being sent.
    Sync,
}

impl Conversation {
    /// Creates a conversation with an editor that opens `document`. With `acknowledge`, each commit yields the state vector
    /// that is stored then.
    #[must_use]
    pub fn new(parts: Arc<EditorParts>, document: DocumentId, acknowledge: bool) -> Self {
        Self {
            parts,
            document,
            acknowledged: acknowledge.then(Arc::default),
            link: None,
            seat: None,
            pending: PendingMessages::default(),
            running: RunningStep::None,
            committing_bytes: 0,
            stored: StoredUpdates::default(),
            resync: Resync::default(),
            broadcast_at: None,
        }
    }

    /// Sends the editor's awareness to the room, at most once per [`AWARENESS_TICK`]. The clocks of awareness advance with
    /// time, and a faster pace would let them run ahead of it.
    fn broadcast_awareness(
        &mut self,
        link: &SessionLink,
        seat: &EditorHandle,
        now: Instant,
    ) -> Option<ConversationStep> {
        if !self.pending.has_awareness() {
            return None;
        }
        if let Some(at) = self.broadcast_at.filter(|at| now < *at) {
            return Some(ConversationStep::WaitUntil(at));
        }
        self.broadcast_at = Some(now + AWARENESS_TICK);
        while self.pending.has_awareness() {
            if link.take_cursor().is_err() {
                return Some(ConversationStep::WaitUntil(now + RATE_LIMIT_WAIT));
            }
            if let Some(state) = self.pending.take_awareness() {
                seat.update_awareness(state);
            }
        }
        None
    }

    /// Commits all collected updates as one change.
    fn commit_updates(
        &mut self,
        link: &SessionLink,
        seat: &EditorHandle,
        now: Instant,
    ) -> Option<ConversationStep> {
        if !self.pending.has_updates() {
            return None;
        }
        if let Some(until) = self.resync.paused_until(now) {
            return Some(ConversationStep::WaitUntil(until));
        }
        // Whether the document has what a reader sends is a query: the document may have to be loaded.
        if !seat.may_edit() && self.parts.throttle.take(&link.user().id).is_err() {
            return Some(ConversationStep::WaitUntil(now + RATE_LIMIT_WAIT));
        }
        if link.take_edit().is_err() {
            return Some(ConversationStep::WaitUntil(now + RATE_LIMIT_WAIT));
        }
        let bytes = self.pending.waiting().bytes;
        let (request, batch, held) = self.take_request(link)?;
        self.committing_bytes = bytes;
        self.running = RunningStep::Commit(batch);
        let (parts, seat) = (Arc::clone(&self.parts), seat.clone());
        let updates_stored = self.stored.count_with(batch);
        let acknowledged = self.acknowledged.clone();
        // A task of its own, because a commit must be broadcast even if the client disconnects meanwhile. It may have to open the
        // room again, which is an actor, so it runs where actors can be started.
        let committing = actix_rt::spawn(
            async move {
                let acknowledge = |version: Version| {
                    if let Some(acknowledged) = &acknowledged {
                        acknowledged.store(version.number(), Ordering::Relaxed);
                    }
                };
                let outcome = commit(&parts, &seat, request, updates_stored, acknowledge).await;
                drop(held);
                outcome
            }
            .in_current_span(),
        );
        let outcome = async move {
            committing.await.unwrap_or_else(|error| {
                let panicked = error.is_panic();
                tracing::error!(panicked, "the commit of an editor's updates has no outcome");
                StepOutcome::Close(CloseReason::InternalError)
            })
        };
        Some(ConversationStep::Run(outcome.boxed()))
    }

    /// Returns which state vector the next acknowledgement carries: everything in the first one, then what has changed since the last.
    fn acknowledgement(&self) -> Acknowledgement {
        match self.acknowledged.as_ref().map(|version| version.load(Ordering::Relaxed)) {
            None => Acknowledgement::None,
            Some(0) => Acknowledgement::Whole,
            Some(version) => Acknowledgement::Since(Version::new(version)),
        }
    }

    /// Removes all collected updates and returns the request to commit them, with the memory to keep until then.
    fn take_request(
        &mut self,
        link: &SessionLink,
    ) -> Option<(EditRequest, UpdateBatch, Vec<Reservation>)> {
        let CollectedUpdates { updates, batch, held } = self.pending.take_updates();
        if updates.is_empty() {
            return None;
        }
        let request = EditRequest {
            document: self.document,
            author: link.user().id,
            session: Some(link.id()),
            name: None,
            kind: EditKind::Merge { updates, acknowledgement: self.acknowledgement() },
        };
        Some((request, batch, held))
    }

    /// Notes the outcome of committing a batch.
    fn finish_commit(&mut self, batch: UpdateBatch, outcome: &StepOutcome, now: Instant) {
        match outcome {
            StepOutcome::Done | StepOutcome::Stored { .. } if self.stored.stored(batch) => {
                self.resync.in_sync();
            }
            // An earlier update is still missing.
            StepOutcome::Done | StepOutcome::Stored { .. } => self.resync.out_of_sync(now),
            StepOutcome::OutOfSync => {
                self.stored.not_stored();
                self.resync.out_of_sync(now);
            }
            StepOutcome::StoredInPart { .. } => {
                self.stored.not_stored();
                self.resync.in_sync();
                self.resync.out_of_sync(now);
            }
            StepOutcome::Refused(_) => {
                self.stored.not_stored();
                self.resync.refused(now);
            }
            StepOutcome::Postponed(_) => {
                self.stored.not_stored();
                self.resync.postponed(now);
            }
            StepOutcome::Denied(_) => {
                self.stored.not_stored();
                self.resync.in_sync();
            }
            StepOutcome::Close(_) => {}
        }
    }

    /// Answers sync step 1 with sync step 2, or else a query with everyone's awareness.
    fn answer_query(
        &mut self,
        link: &SessionLink,
        seat: &EditorHandle,
        now: Instant,
    ) -> Option<ConversationStep> {
        if !self.pending.has_query() {
            return None;
        }
        if self.parts.throttle.take(&link.user().id).is_err() {
            return Some(ConversationStep::WaitUntil(now + RATE_LIMIT_WAIT));
        }
        let step = match self.pending.take_state_vector() {
            Some(state_vector) => {
                seat.note_unstored(self.stored.lacks_next() || self.pending.has_updates());
                send_sync_step_2(seat.clone(), state_vector).boxed()
            }
            None => {
                self.pending.take_awareness_query();
                send_awareness(seat.clone()).boxed()
            }
        };
        self.running = RunningStep::Sync;
        Some(ConversationStep::Run(step))
    }

    /// Asks an editor that is out of sync for the updates that are missing.
    fn request_missing_updates(
        &mut self,
        _link: &SessionLink,
        seat: &EditorHandle,
        now: Instant,
    ) -> Option<ConversationStep> {
        let due_at = self.resync.due_at()?;
        if now < due_at {
            return Some(ConversationStep::WaitUntil(due_at));
        }
        self.resync.requested();
        self.running = RunningStep::Sync;
        Some(ConversationStep::Run(send_sync_step_1(seat.clone()).boxed()))
    }
}

async fn send_sync_step_1(seat: EditorHandle) -> StepOutcome {
    seat.request_step_1().await;
    StepOutcome::Done
}

async fn send_sync_step_2(seat: EditorHandle, state_vector: ClientClocks) -> StepOutcome {
    seat.request_step_2(state_vector).await;
    StepOutcome::Done
}

async fn send_awareness(seat: EditorHandle) -> StepOutcome {
    seat.request_awareness().await;
    StepOutcome::Done
}

impl EditorConversation for Conversation {
    fn admit(&mut self, link: Arc<SessionLink>) {
        self.link = Some(link);
    }

    fn enter(
        &self,
        subscriber: Subscriber,
        on_end: Arc<dyn SeatEnded>,
    ) -> BoxFuture<'static, Result<Subscription, CloseReason>> {
        let (parts, document) = (Arc::clone(&self.parts), self.document);
        async move { admission::admit(&parts, document, &subscriber, on_end).await }.boxed()
    }

    fn begin(&mut self, seat: EditorHandle) {
        self.seat = Some(seat);
    }

    fn receive(&mut self, message: &Bytes, held: Option<Reservation>) -> Result<(), CloseReason> {
        let bad = |error: Malformed| CloseReason::BadMessage(error.0.into());
        let own_client = self.seat.as_ref().and_then(|seat| seat.seat().client());
        let max_awareness = self.parts.limits.awareness;
        for message in yjs::parse(message).map_err(bad)? {
            self.pending.receive(message, own_client, max_awareness);
        }
        self.pending.hold(held);
        Ok(())
    }

    fn next_step(&mut self, now: Instant) -> ConversationStep {
        if self.running != RunningStep::None {
            return ConversationStep::Idle;
        }
        let (Some(link), Some(seat)) = (self.link.clone(), self.seat.clone()) else {
            return ConversationStep::Idle;
        };
        // A step that must wait delays none of the others.
        let mut wait_until: Option<Instant> = None;
        let steps = [
            Self::broadcast_awareness,
            Self::commit_updates,
            Self::answer_query,
            Self::request_missing_updates,
        ];
        for step in steps {
            match step(self, &link, &seat, now) {
                Some(ConversationStep::WaitUntil(at)) => {
                    wait_until = Some(wait_until.map_or(at, |earlier| earlier.min(at)));
                }
                Some(step) => return step,
                None => {}
            }
        }
        wait_until.map_or(ConversationStep::Idle, ConversationStep::WaitUntil)
    }

    fn finish_step(&mut self, outcome: &StepOutcome, now: Instant) {
        self.committing_bytes = 0;
        match std::mem::replace(&mut self.running, RunningStep::None) {
            RunningStep::Commit(batch) => self.finish_commit(batch, outcome, now),
            RunningStep::None | RunningStep::Sync => {}
        }
    }

    fn is_full(&self) -> bool {
        self.seat.is_none() || self.pending.is_full(&self.parts.limits)
    }

    fn waiting(&self) -> WaitingUpdates {
        let waiting = self.pending.waiting();
        WaitingUpdates { bytes: waiting.bytes + self.committing_bytes, ..waiting }
    }

    fn has_unsaved_updates(&self) -> bool {
        matches!(self.running, RunningStep::Commit(_)) || self.pending.has_updates()
    }

    fn commit_rest(&mut self) -> Option<BoxFuture<'static, ()>> {
        let link = self.link.clone()?;
        let (request, _, held) = self.take_request(&link)?;
        let (parts, had_seat) = (Arc::clone(&self.parts), self.seat.is_some());
        let committing = async move {
            commit_rest(&parts, request, had_seat).await;
            drop(held);
        };
        Some(committing.boxed())
    }
}
