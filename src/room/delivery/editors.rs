//! The Yjs editors of a room: how far each has been synced, and what each is still to be sent.

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use tokio::sync::oneshot;

use super::{audience::BroadcastReport, initial_sync::InitialSync, progress::Progress};
use crate::{
    domain::{Change, SessionId, Topic, UserId, Version},
    memory::Reservation,
    metrics::{BehindCause, GaugeGuard, Metrics},
    outbox::{PushOutcome, SeatFrame, SeatId},
    room::members::seat::{Seat, SeatEnd, SeatEnded},
    wire::yjs::{self, ClientClocks},
};

/// What an editor is still to be sent.
#[derive(Debug, Default)]
pub(in crate::room) struct PendingSync {
    /// Sync step 2: everything missing from this state vector.
    pub(in crate::room) step_2: Option<ClientClocks>,
    /// Everything from the editor's next version on: its outbox was full.
    pub(in crate::room) rest: bool,
    /// Sync step 1: a request for what the document does not have.
    pub(in crate::room) step_1: bool,
    /// Whether the document has everything in these updates of a reader.
    pub(in crate::room) check: Option<KnownCheck>,
}

/// Updates of a reader, and where to send whether the document has everything in them.
#[derive(Debug)]
pub(in crate::room) struct KnownCheck {
    pub(in crate::room) updates: Vec<Bytes>,
    /// Receives what the document has if it has everything in them.
    pub(in crate::room) reply: oneshot::Sender<Option<KnownContent>>,
}

/// What a document has.
#[derive(Debug)]
pub struct KnownContent {
    /// Its head.
    pub head: Version,
    /// Its encoded state vector.
    pub state_vector: Bytes,
}

struct Editor {
    seat: Arc<Seat>,
    on_end: Arc<dyn SeatEnded>,
    progress: Progress,
    /// The encoded state vector that the editor had after its last sync step 2.
    synced: Bytes,
    /// What it is to be sent later, when it may be.
    deferred: Option<PendingSync>,
    /// The memory that was reserved for it meanwhile.
    granted: Option<Reservation>,
    _counted: GaugeGuard,
}

impl PendingSync {
    /// Returns what is to be sent if `newer` is requested as well.
    fn and(self, newer: Self) -> Self {
        Self {
            step_2: newer.step_2.or(self.step_2),
            rest: self.rest || newer.rest,
            step_1: self.step_1 || newer.step_1,
            // A conversation waits for the answer before it sends another one.
            check: newer.check.or(self.check),
        }
    }
}

/// The Yjs editors of a room.
pub(in crate::room) struct Editors {
    editors: IndexMap<SeatId, Editor>,
    pending: IndexMap<SeatId, PendingSync>,
    initial_sync: InitialSync,
    metrics: Metrics,
}

impl Editors {
    /// Returns no editors.
    pub(in crate::room) fn new(metrics: Metrics) -> Self {
        Self {
            editors: IndexMap::new(),
            pending: IndexMap::new(),
            initial_sync: InitialSync::default(),
            metrics,
        }
    }

    /// Adds an editor, and tells it if its user may not edit. It receives no change before it has sent its state vector.
    pub(in crate::room) fn add(&mut self, seat: Arc<Seat>, on_end: Arc<dyn SeatEnded>) {
        let counted = self.metrics.subscription_opened(Topic::Document);
        // An editor of y-websocket expects that it may edit. One of Hocuspocus begins when it is told.
        if seat.name().is_some() || !seat.may_edit() {
            send_scope_to(&seat, seat.may_edit());
        }
        let (progress, synced) = (Progress::waiting(), Bytes::from_static(&[0]));
        let (deferred, granted) = (None, None);
        let editor =
            Editor { seat, on_end, progress, synced, deferred, granted, _counted: counted };
        self.editors.insert(editor.seat.id(), editor);
    }

    /// Removes an editor whose session gave its seat up.
    pub(in crate::room) fn remove(&mut self, seat: SeatId) {
        self.take(seat);
    }

    /// Takes a seat away and notifies the editor's session.
    pub(in crate::room) fn evict(&mut self, seat: SeatId, reason: SeatEnd) {
        let Some(editor) = self.take(seat) else { return };
        editor.on_end.seat_ended(reason);
        tracing::info!(
            session.id = %editor.seat.session(), user.id = %editor.seat.user().id,
            document.id = %editor.seat.document(), reason = reason.label(),
            "Yjs editor evicted by the room"
        );
    }

    /// Notifies the editor of a session, if it has one, that a newer session uses its client id.
    pub(in crate::room) fn notify_of_move(&self, session: SessionId) {
        let editor = self.editors.values().find(|editor| editor.seat.session() == session);
        if let Some(editor) = editor {
            editor.on_end.client_moved();
        }
    }

    /// Takes every seat away.
    pub(in crate::room) fn evict_all(&mut self, reason: SeatEnd) {
        for seat in self.editors.keys().copied().collect::<Vec<_>>() {
            self.evict(seat, reason);
        }
    }

    fn take(&mut self, seat: SeatId) -> Option<Editor> {
        self.pending.shift_remove(&seat);
        let editor = self.editors.shift_remove(&seat)?;
        editor.seat.end();
        editor.seat.outbox().end_seat(seat, None);
        Some(editor)
    }

    /// Whether there is no editor.
    pub(in crate::room) fn is_empty(&self) -> bool {
        self.editors.is_empty()
    }

    /// Whether a session is an editor's.
    pub(in crate::room) fn has(&self, session: SessionId) -> bool {
        self.sessions().any(|editor| editor == session)
    }

    /// Returns the sessions of all editors.
    pub(in crate::room) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.editors.values().map(|editor| editor.seat.session())
    }

    /// Returns an editor's seat.
    pub(in crate::room) fn seat(&self, seat: SeatId) -> Option<&Arc<Seat>> {
        self.editors.get(&seat).map(|editor| &editor.seat)
    }

    /// Returns every editor's seat.
    pub(in crate::room) fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        self.editors.values().map(|editor| &editor.seat)
    }

    /// Sends the editors of a user whether they may edit.
    pub(in crate::room) fn send_scope(&self, user: UserId, may_edit: bool) {
        let of_user = self.editors.values().filter(|editor| editor.seat.user().id == user);
        of_user.for_each(|editor| send_scope_to(&editor.seat, may_edit));
    }

    /// Broadcasts a change to every live editor. The editor that wrote it has it already, which `is_merged` says; a change
    /// that its session made in another way it does not have.
    pub(in crate::room) fn broadcast(
        &mut self,
        change: &Change,
        is_merged: bool,
        report: &mut BroadcastReport,
    ) {
        self.initial_sync = InitialSync::default();
        let author = change.origin().and_then(|origin| origin.session).filter(|_| is_merged);
        let mut frame: Option<Bytes> = None;
        for (id, Editor { seat, progress, .. }) in &mut self.editors {
            if !progress.is_due(change.version) {
                continue;
            }
            progress.advance(change.version.next());
            let Some(update) = &change.update else { continue };
            if author == Some(seat.session()) {
                continue;
            }
            let frame = frame.get_or_insert_with(|| yjs::update(update)).clone();
            match seat
                .outbox()
                .send(seat.id(), SeatFrame::Change(change.version, seat.framed(frame)))
                .outcome
            {
                PushOutcome::Behind(version) => {
                    progress.fall_behind(version, BehindCause::OutboxFull, seat, &self.metrics);
                    report.behind_editors.push(*id);
                }
                PushOutcome::Queued | PushOutcome::Replaced => report.deliveries += 1,
                PushOutcome::Cancelled
                | PushOutcome::Dropped
                | PushOutcome::Overflow
                | PushOutcome::Closed => {}
            }
        }
    }

    /// Puts every live editor behind, because the log no longer has what follows `head`.
    pub(in crate::room) fn fall_behind(&mut self, head: Version) -> Vec<SeatId> {
        let mut behind = Vec::new();
        for (id, Editor { seat, progress, .. }) in &mut self.editors {
            if progress.is_live() {
                let next = progress.next().max(head.next());
                progress.fall_behind(next, BehindCause::LogGap, seat, &self.metrics);
                behind.push(*id);
            }
        }
        behind
    }

    /// Has every editor that has been synced receive the whole document again, and asks each for what the document does not
    /// have, because the database has lost changes that they may have.
    pub(in crate::room) fn restart(&mut self) {
        self.initial_sync = InitialSync::default();
        for (id, editor) in &self.editors {
            if !editor.progress.is_waiting() {
                editor.seat.outbox().remove_changes(*id);
                let pending = self.pending.entry(*id).or_default();
                (pending.step_2, pending.step_1) = (Some(ClientClocks::default()), true);
            }
        }
    }

    /// Returns the cached initial sync.
    pub(in crate::room) fn initial_sync(&self) -> InitialSync {
        self.initial_sync.clone()
    }

    /// Caches an initial sync.
    pub(in crate::room) fn set_initial_sync(&mut self, initial: InitialSync) {
        self.initial_sync = initial;
    }

    /// Notes that an editor is to be sent something.
    pub(in crate::room) fn request(&mut self, seat: SeatId, add: impl FnOnce(&mut PendingSync)) {
        if self.editors.contains_key(&seat) {
            add(self.pending.entry(seat).or_default());
        }
    }

    /// Keeps what an editor is to be sent until [`resume`](Self::resume).
    pub(in crate::room) fn defer(&mut self, seat: SeatId, pending: PendingSync) {
        if let Some(editor) = self.editors.get_mut(&seat) {
            editor.deferred = Some(editor.deferred.take().unwrap_or_default().and(pending));
        }
    }

    /// Whether something is kept until later for an editor.
    pub(in crate::room) fn is_deferred(&self, seat: SeatId) -> bool {
        self.editors.get(&seat).is_some_and(|editor| editor.deferred.is_some())
    }

    /// Notes that an editor is to be sent now what was deferred, and keeps the memory that was reserved for it.
    pub(in crate::room) fn resume(&mut self, seat: SeatId, granted: Option<Reservation>) {
        let Some(editor) = self.editors.get_mut(&seat) else { return };
        editor.granted = granted;
        if let Some(deferred) = editor.deferred.take() {
            let newer = self.pending.shift_remove(&seat).unwrap_or_default();
            self.pending.insert(seat, deferred.and(newer));
        }
    }

    /// Removes the memory that was reserved for an editor.
    pub(in crate::room) fn take_granted(&mut self, seat: SeatId) -> Option<Reservation> {
        self.editors.get_mut(&seat)?.granted.take()
    }

    /// Whether an editor is to be sent something.
    pub(in crate::room) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns the seat of the editor that waits longest to be sent something.
    pub(in crate::room) fn first_pending(&self) -> Option<&Arc<Seat>> {
        self.pending.keys().find_map(|seat| self.seat(*seat))
    }

    /// Removes and returns everything that editors are to be sent.
    pub(in crate::room) fn take_pending(&mut self) -> Vec<(SeatId, PendingSync)> {
        std::mem::take(&mut self.pending).into_iter().collect()
    }

    /// Returns the next version that an editor must receive, and the state vector of its last sync step 2.
    pub(in crate::room) fn synced(&self, seat: SeatId) -> Option<(Version, Bytes)> {
        let editor = self.editors.get(&seat)?;
        Some((editor.progress.next(), editor.synced.clone()))
    }

    /// Sends an editor its sync step 2, which holds everything up to `head`. `state_vector` is the document's.
    pub(in crate::room) fn send_step_2(
        &mut self,
        seat: SeatId,
        frame: Bytes,
        head: Version,
        state_vector: &Bytes,
    ) {
        let Some(editor) = self.editors.get_mut(&seat) else { return };
        // Dropped only if the session is closing.
        let frame = SeatFrame::Lasting(editor.seat.framed(frame));
        let _closing = editor.seat.outbox().send(editor.seat.id(), frame);
        editor.synced = state_vector.clone();
        editor.progress.mark_live(head.next(), &editor.seat);
    }

    /// Tells a reader of Hocuspocus that the document has everything that the reader had, which counts as one update until then.
    pub(in crate::room) fn send_nothing_unstored(&self, seat: SeatId) {
        let Some(Editor { seat, .. }) = self.editors.get(&seat) else { return };
        if let Some(name) = seat.name() {
            // Dropped only if the session is closing.
            let frame = SeatFrame::Lasting(name.sync_status(true).into());
            let _closing = seat.outbox().send(seat.id(), frame);
        }
    }

    /// Sends a message of an editor's page to everyone else who has the document open over Hocuspocus. It is dropped for those
    /// who are behind.
    pub(in crate::room) fn send_stateless(&self, from: SessionId, payload: &str) -> usize {
        let others = self.editors.values().map(|editor| &editor.seat);
        let others = others.filter(|seat| seat.session() != from);
        let mut sent = 0;
        for (seat, name) in others.filter_map(|seat| Some((seat, seat.name()?))) {
            // Under a key of its own: it replaces nothing, and nothing replaces it.
            let frame = SeatFrame::Cursor(SessionId::new(), name.stateless(payload));
            let _dropped = seat.outbox().send(seat.id(), frame);
            sent += 1;
        }
        sent
    }

    /// Sends an editor that is behind the rest up to `head`. Returns false if its outbox is full again.
    pub(in crate::room) fn send_rest(&mut self, seat: SeatId, frame: Bytes, head: Version) -> bool {
        let Some(editor) = self.editors.get_mut(&seat) else { return true };
        if !editor.progress.is_behind() {
            return true;
        }
        // The frame stands for every change from the next one on: if it is dropped, all of them are missing again.
        let first = editor.progress.next();
        let outcome = editor
            .seat
            .outbox()
            .send(editor.seat.id(), SeatFrame::Change(first, editor.seat.framed(frame)))
            .outcome;
        if let PushOutcome::Behind(_) = outcome {
            return false;
        }
        editor.progress.mark_live(head.next(), &editor.seat);
        true
    }
}

fn send_scope_to(seat: &Seat, may_edit: bool) {
    let frame = SeatFrame::Lasting(seat.framed(yjs::scope(may_edit)));
    // Dropped only if the session is closing.
    let _closing = seat.outbox().send(seat.id(), frame);
}
