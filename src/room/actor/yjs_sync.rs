//! Sends Yjs editors what they miss (sync step 2) and asks them for what the document misses (sync step 1).
//!
//! An editor that sent its state vector is sent everything else; one that fell behind is sent the rest in one update. Both need
//! the replica at a time when it holds only what is stored. Large answers are put together on a worker thread, and changes
//! gather meanwhile.

use std::{collections::HashMap, sync::Arc};

use actix::prelude::*;
use bytes::Bytes;
use chrono::Utc;

use super::{
    Room,
    mailbox::Take,
    sync_admission::AdmittedSync,
    yjs_messages::{SendAwareness, SendStep1, SendStep2},
};
use crate::{
    domain::{Party, Version},
    editing::{
        LoadError, Replica,
        loader::{MAX_INLINE_BYTES, off_thread},
        open_document::OpenDocument,
        recent::RecentChanges,
    },
    memory::{HeldBytes, Reservation, SharedBytes},
    outbox::{SeatFrame, SeatId},
    room::{
        SeatEnd,
        delivery::{
            editors::{KnownCheck, PendingSync},
            initial_sync::InitialSync,
        },
    },
    wire::yjs::{self, ClientClocks, Outline},
};

/// Cost model: one clock of a state vector costs as much as this many bytes of other work.
const CLOCK_BYTES: usize = 16;

/// What is to be put together for an editor.
struct SyncJob {
    seat: SeatId,
    update: Option<WantedUpdate>,
    /// Whether to request what the document does not have.
    step_1: bool,
    /// Whether to tell the editor that the document has everything that the editor has.
    tells_nothing_unstored: bool,
    /// Whether the document has everything in these updates of a reader.
    check: Option<KnownCheck>,
    /// The memory of a large answer.
    memory: Option<Reservation>,
}

enum WantedUpdate {
    /// Everything missing from a state vector.
    Step2(ClientClocks),
    /// Everything from a version on: from the changes in memory if they reach back that far, otherwise everything missing
    /// from the state vector of the last sync step 2.
    Rest { next: Version, synced: Bytes },
}

enum SyncFrame {
    Nothing,
    Step2 {
        frame: Bytes,
        /// Whether the document has everything that the editor has, and the editor is to be told.
        has_nothing_unstored: bool,
    },
    Rest(Bytes),
    /// The editor holds another history of the document.
    Unrelated,
}

/// All jobs, and what they need besides the replica.
struct SyncRequest {
    jobs: Vec<SyncJob>,
    recent: Arc<RecentChanges>,
    initial: InitialSync,
    /// The large initial sync that jobs share, which must not be dropped before they have it.
    _pinned: Option<SharedBytes>,
    head: Version,
}

/// The frames for all jobs.
struct Synced {
    frames: Vec<(SeatId, SyncFrame, bool)>,
    state_vector: Bytes,
    initial: InitialSync,
}

impl Room {
    /// Sends editors what is pending and translates cursors, unless some work has the document: then this follows it.
    pub(super) fn sync_editors(&mut self, ctx: &mut Context<Self>) {
        // While the document's lock is awaited, only the edits may borrow the document.
        if self.editing.is_lent() || self.editing.is_locking() {
            return;
        }
        let has_replica = self.editing.replica().is_some();
        if !self.editors.has_pending() && (has_replica || !self.awareness.has_translations()) {
            return self.translate_cursors(ctx);
        }
        let Some(head) = self.editing.version() else {
            // The deletion of the document was broadcast, or is about to be, and ends every seat.
            self.editors.take_pending();
            return;
        };
        if !has_replica {
            return self.load_replica(head, ctx);
        }
        let state_bytes = self.editing.replica().map_or(0, Replica::weight);
        let pinned = self.editors.initial_sync().pin(head);
        let (seats, jobs, weight) = self.take_sync_jobs(state_bytes, pinned.is_some(), ctx);
        if jobs.is_empty() {
            // What is pending waits for its turn.
            return self.translate_cursors(ctx);
        }
        let weight = state_bytes.saturating_add(weight);
        let (initial, recent) = (self.editors.initial_sync(), Arc::clone(self.editing.recent()));
        if let Some(replica) = self.editing.replica()
            && weight <= MAX_INLINE_BYTES
        {
            let request = SyncRequest { jobs, recent, initial, _pinned: pinned, head };
            let synced = build_frames(replica, request);
            return self.send_synced(synced, head, ctx);
        }
        let request = SyncRequest { jobs, recent, initial, _pinned: pinned, head };
        self.sync_on_worker(request, weight, seats, ctx);
    }

    /// Puts large answers together on a worker thread.
    fn sync_on_worker(
        &mut self,
        request: SyncRequest,
        weight: usize,
        seats: Vec<SeatId>,
        ctx: &mut Context<Self>,
    ) {
        let head = request.head;
        self.with_document(
            ctx,
            OpenDocument::lend,
            move |_context, mut state| async move {
                let Some(replica) = state.replica.take() else {
                    return (state, Err(LoadError::Aborted));
                };
                let working = off_thread(weight, move || {
                    let synced = build_frames(&replica, request);
                    (replica, synced)
                });
                let synced = working.await.map(|(replica, synced)| {
                    state.replica = Some(replica);
                    synced
                });
                (state, synced)
            },
            move |room, synced, ctx| {
                match synced {
                    Ok(synced) => room.send_synced(synced, head, ctx),
                    Err(error) => room.give_up_sync(seats, &error, ctx),
                }
                // Commits and syncs take turns.
                room.store_next(ctx);
            },
        );
    }

    /// Loads the replica, for the user of the first editor that waits for it.
    fn load_replica(&mut self, head: Version, ctx: &mut Context<Self>) {
        let user = self.editors.first_pending().map(|seat| seat.user().id);
        let party = user.map_or(Party::Node, Party::User);
        self.with_document(
            ctx,
            OpenDocument::lend,
            move |context, mut state| async move {
                let loaded = context.loader.replica(context.document, head, party).await;
                let loaded = loaded.map(|loaded| state.set_loaded(loaded, party));
                (state, loaded)
            },
            |room, loaded, ctx| {
                if let Err(error) = loaded {
                    let pending = room.editors.take_pending().into_iter();
                    room.give_up_sync(pending.map(|(seat, _)| seat).collect(), &error, ctx);
                }
            },
        );
    }

    /// Removes what is pending and may be sent now. Returns the seats, the jobs, and what they cost besides the state of the document,
    /// in bytes.
    fn take_sync_jobs(
        &mut self,
        state_bytes: usize,
        has_initial: bool,
        ctx: &mut Context<Self>,
    ) -> (Vec<SeatId>, Vec<SyncJob>, usize) {
        let (mut seats, mut jobs, mut weight) = (Vec::new(), Vec::new(), 0_usize);
        let admitted = self.take_admitted(state_bytes, has_initial, ctx);
        for AdmittedSync { seat, pending, memory } in admitted {
            let PendingSync { step_2, rest, step_1, check } = pending;
            let update = match step_2 {
                // A sync step 2 holds everything, the rest included.
                Some(state_vector) => {
                    weight += CLOCK_BYTES.saturating_mul(state_vector.len());
                    Some(WantedUpdate::Step2(state_vector))
                }
                None if rest => {
                    let synced = self.editors.synced(seat);
                    synced.map(|(next, synced)| WantedUpdate::Rest { next, synced })
                }
                None => None,
            };
            // A reader is not asked for what it has.
            let tells_nothing_unstored = self.editors.seat(seat).is_some_and(|seat| {
                seat.name().is_some() && !seat.may_edit() && !seat.has_unstored()
            });
            if let Some(check) = &check {
                weight = weight.saturating_add(check.bytes());
                self.count_check(seat, check, state_bytes);
            }
            seats.push(seat);
            jobs.push(SyncJob { seat, update, step_1, tells_nothing_unstored, check, memory });
        }
        (seats, jobs, weight)
    }

    /// Evicts editors that cannot be synced. Their clients reconnect and ask again, unless the document is too heavy.
    fn give_up_sync(&mut self, seats: Vec<SeatId>, error: &LoadError, ctx: &mut Context<Self>) {
        let cause: &dyn std::error::Error = error;
        let end = match error {
            LoadError::TooHeavy(_) => SeatEnd::TooHeavy,
            LoadError::Corrupt(_) => {
                tracing::error!(
                    error = cause,
                    editors = seats.len(),
                    "the document cannot be read"
                );
                SeatEnd::Corrupt
            }
            LoadError::NotKept | LoadError::Store(_) | LoadError::Busy | LoadError::Aborted => {
                tracing::warn!(error = cause, editors = seats.len(), "could not sync Yjs editors");
                SeatEnd::Broken
            }
        };
        self.awareness.cancel_translations();
        for seat in seats {
            self.evict_seat(seat, end, ctx);
        }
    }

    fn send_synced(&mut self, synced: Synced, head: Version, ctx: &mut Context<Self>) {
        let Synced { frames, state_vector, initial } = synced;
        let weight = self.editing.replica().map_or(0, Replica::weight);
        self.editors.set_initial_sync(initial);
        for (seat, frame, mut wants_step_1) in frames {
            match frame {
                SyncFrame::Nothing => {}
                SyncFrame::Unrelated => {
                    self.evict_seat(seat, SeatEnd::Unrelated, ctx);
                    continue;
                }
                SyncFrame::Step2 { frame, has_nothing_unstored } => {
                    self.count_walk(seat, frame.len(), weight);
                    self.editors.send_step_2(seat, frame, head, &state_vector);
                    if has_nothing_unstored {
                        self.editors.send_nothing_unstored(seat);
                    }
                    wants_step_1 = true;
                }
                SyncFrame::Rest(frame) => {
                    self.metrics().replayed();
                    if !self.editors.send_rest(seat, frame, head) {
                        self.catch_up_editor(seat, ctx);
                    }
                }
            }
            if wants_step_1 {
                self.send_step_1(seat, &state_vector);
            }
        }
        self.translate_cursors(ctx);
    }

    /// Requests from an editor what the document does not have. A reader is not asked: it may not change anything.
    fn send_step_1(&self, seat: SeatId, state_vector: &Bytes) {
        if let Some(seat) = self.editors.seat(seat).filter(|seat| seat.may_edit()) {
            let frame = SeatFrame::Lasting(seat.framed(yjs::sync_step_1(state_vector)));
            // Dropped only if the session is closing.
            let _closing = seat.outbox().send(seat.id(), frame);
        }
    }

    /// Sends an editor that is behind the rest, as soon as its outbox has capacity and its socket has taken something.
    pub(super) fn catch_up_editor(&mut self, seat: SeatId, ctx: &mut Context<Self>) {
        let Some(outbox) = self.editors.seat(seat).map(|seat| seat.outbox().clone()) else {
            return;
        };
        // The rest goes in one frame, so it is not put together again before the last one was taken.
        let drained = async move { outbox.moved_on(seat).await };
        self.spawn(ctx, drained, move |room, (), ctx| {
            room.editors.request(seat, |pending| pending.rest = true);
            room.sync_editors(ctx);
        });
    }
}

/// Puts the frames for all jobs together.
fn build_frames(replica: &Replica, request: SyncRequest) -> Synced {
    let SyncRequest { jobs, recent, mut initial, _pinned, head } = request;
    // Editors that are behind often miss everything from the same version on.
    let mut rests: HashMap<Version, Option<Bytes>> = HashMap::new();
    let mut frames = Vec::with_capacity(jobs.len());
    for SyncJob { seat, update, step_1, tells_nothing_unstored, check, memory } in jobs {
        if let Some(check) = check {
            check.answer(replica, head);
        }
        let step_2 = |frame, state_vector: &ClientClocks| {
            let has_nothing_unstored = tells_nothing_unstored && has_all(replica, state_vector);
            SyncFrame::Step2 { frame, has_nothing_unstored }
        };
        let frame = match update {
            None => SyncFrame::Nothing,
            Some(WantedUpdate::Step2(state_vector)) if replica.is_foreign_to(&state_vector) => {
                SyncFrame::Unrelated
            }
            Some(WantedUpdate::Step2(state_vector)) if state_vector.is_empty() => {
                let encode = || yjs::sync_step_2(&replica.state());
                step_2(initial.frame(head, memory, encode), &state_vector)
            }
            Some(WantedUpdate::Step2(state_vector)) => {
                let frame = yjs::sync_step_2(&replica.since(state_vector.iter()));
                step_2(HeldBytes::hold(frame, memory), &state_vector)
            }
            Some(WantedUpdate::Rest { next, synced }) => {
                let rest = rests.entry(next).or_insert_with(|| rest_after(replica, &recent, next));
                let rest = rest.clone().unwrap_or_else(|| {
                    let clocks = ClientClocks::read(synced).unwrap_or_default();
                    yjs::update(&replica.since(clocks.iter()))
                });
                SyncFrame::Rest(HeldBytes::hold(rest, memory))
            }
        };
        frames.push((seat, frame, step_1));
    }
    Synced { frames, state_vector: replica.state_vector().into(), initial }
}

/// Whether the document has every insertion of an editor.
fn has_all(replica: &Replica, state_vector: &ClientClocks) -> bool {
    let clocks = replica.clocks();
    state_vector.iter().all(|(client, clock)| clocks.get(&client).copied().unwrap_or(0) >= clock)
}

/// Returns everything from a version on as one update, if the changes in memory reach back that far.
fn rest_after(replica: &Replica, recent: &RecentChanges, next: Version) -> Option<Bytes> {
    let mut clocks = replica.clocks();
    clocks.extend(first_clocks(recent, next)?);
    Some(yjs::update(&replica.since(clocks)))
}

/// Returns the lowest clock of each client in the changes from a version on. None if not all of them are in memory.
fn first_clocks(recent: &RecentChanges, next: Version) -> Option<HashMap<u64, u32>> {
    let mut first: HashMap<u64, u32> = HashMap::new();
    for change in recent.after(next.previous())? {
        let Some(update) = &change.update else { continue };
        let outline = Outline::read(update, usize::MAX).ok()?;
        for (client, start, _end) in outline.ranges() {
            let lowest = first.entry(client).or_insert(start);
            *lowest = start.min(*lowest);
        }
    }
    Some(first)
}

impl Take<SendStep2> for Room {
    fn take(&mut self, SendStep2 { seat, state_vector }: SendStep2, ctx: &mut Self::Context) {
        self.editors.request(seat, |pending| pending.step_2 = Some(state_vector));
        self.sync_editors(ctx);
    }
}

impl Take<SendStep1> for Room {
    fn take(&mut self, SendStep1(seat): SendStep1, ctx: &mut Self::Context) {
        self.editors.request(seat, |pending| pending.step_1 = true);
        self.sync_editors(ctx);
    }
}

impl Take<SendAwareness> for Room {
    fn take(&mut self, SendAwareness(seat): SendAwareness, _ctx: &mut Self::Context) {
        self.send_awareness(seat, Utc::now());
    }
}
