//! When the answers to Yjs editors are made: they are paid for like other answers.
//!
//! An editor may ask for the whole document at any time (sync step 1). An answer waits until the editor has been sent what is
//! queued for it, until its user is below `limits.sync_bytes_per_second`, and until there is memory for it if it is large. While
//! it waits, a newer request replaces the older one.

use std::time::Duration;

use actix::prelude::*;
use tokio::time::{Instant, sleep_until};

use super::Room;
use crate::{
    domain::Party,
    editing::loader::MAX_INLINE_BYTES,
    memory::Reservation,
    outbox::SeatId,
    room::{
        SeatEnd,
        delivery::{editors::PendingSync, initial_sync::MAX_CACHED_BYTES},
    },
    wire::yjs::ClientClocks,
};

/// How long a large answer waits for memory. It is the user's own if other answers to them have not been received.
const PATIENCE: Duration = Duration::from_secs(30);

/// Cost model: an answer costs at least this part of the document's state, however short it is, because the library walks
/// through the whole document for it.
const WALK_SHARE: usize = 16;

/// Something to be sent to an editor now.
pub(super) struct AdmittedSync {
    pub(super) seat: SeatId,
    pub(super) pending: PendingSync,
    /// The memory of a large answer.
    pub(super) memory: Option<Reservation>,
}

/// What an answer waits for.
enum SyncWait {
    /// The editor waits for another answer already.
    Already,
    /// The editor receives what is queued for it.
    Outbox,
    /// The user is below the rate.
    Pace(Instant),
    /// Until other answers have been received, `claimed` bytes cannot be claimed, or `reserved` bytes cannot be reserved.
    Memory { reservation: Reservation, claimed: usize, reserved: usize },
}

impl Room {
    /// Removes what is to be sent to editors and returns what may be made now. The rest waits. `weight` is about the size of the
    /// document's state, and `has_initial` tells whether a large one for editors that have nothing is there.
    pub(super) fn take_admitted(
        &mut self,
        weight: usize,
        has_initial: bool,
        ctx: &mut Context<Self>,
    ) -> Vec<AdmittedSync> {
        let (mut admitted, mut has_initial) = (Vec::new(), has_initial);
        for (seat, pending) in self.editors.take_pending() {
            let begins = pending.step_2.as_ref().is_some_and(ClientClocks::is_empty);
            match self.admit_sync(seat, &pending, weight, begins && has_initial) {
                Ok(memory) => {
                    has_initial |= begins;
                    admitted.push(AdmittedSync { seat, pending, memory });
                }
                Err(wait) => {
                    self.editors.defer(seat, pending);
                    self.await_admission(seat, wait, ctx);
                }
            }
        }
        admitted
    }

    /// Reserves the memory of an answer, or claims it if the answer is there (`is_there`). `None` if it is small.
    fn admit_sync(
        &mut self,
        id: SeatId,
        pending: &PendingSync,
        weight: usize,
        is_there: bool,
    ) -> Result<Option<Reservation>, SyncWait> {
        let walks = pending.step_2.is_some() || pending.check.is_some();
        if !walks && !pending.rest {
            return Ok(None);
        }
        if self.editors.is_deferred(id) {
            return Err(SyncWait::Already);
        }
        let granted = self.editors.take_granted(id);
        let Some(seat) = self.editors.seat(id) else { return Ok(None) };
        let user = seat.user().id;
        if walks {
            if !seat.outbox().is_low() {
                return Err(SyncWait::Outbox);
            }
            if let Some(until) = self.shared.sync_pace.paused_until(user, Instant::now()) {
                return Err(SyncWait::Pace(until));
            }
        }
        if pending.step_2.is_none() && !pending.rest {
            return Ok(None);
        }
        let begins = pending.step_2.as_ref().is_some_and(ClientClocks::is_empty);
        if weight <= MAX_INLINE_BYTES || (begins && weight <= MAX_CACHED_BYTES) {
            return Ok(None);
        }
        // A larger document than the user may hold answers of is sent by itself.
        let claimed = weight.min(self.parts().answers.bounds().of_user);
        let open = || self.parts().answers.open(Party::User(user));
        let mut reservation = granted.unwrap_or_else(open);
        let reserved = if is_there { 0 } else { claimed.saturating_sub(reservation.bytes()) };
        match reservation.claim(claimed).and_then(|()| reservation.grow(reserved)) {
            Ok(()) => Ok(Some(reservation)),
            Err(_exhausted) => Err(SyncWait::Memory { reservation, claimed, reserved }),
        }
    }

    /// Continues with a deferred answer when what it waits for has happened.
    fn await_admission(&mut self, seat: SeatId, wait: SyncWait, ctx: &mut Context<Self>) {
        match wait {
            SyncWait::Already => {}
            SyncWait::Outbox => {
                let Some(outbox) = self.editors.seat(seat).map(|seat| seat.outbox().clone()) else {
                    return;
                };
                let drained = async move { outbox.drained(seat).await };
                self.spawn(ctx, drained, move |room, (), ctx| room.resume_sync(seat, None, ctx));
            }
            SyncWait::Pace(until) => {
                self.spawn(ctx, sleep_until(until), move |room, (), ctx| {
                    room.resume_sync(seat, None, ctx);
                });
            }
            SyncWait::Memory { mut reservation, claimed, reserved } => {
                let growing = async move {
                    let grown = reservation.grow_within(claimed, reserved, PATIENCE).await;
                    grown.map(|()| reservation)
                };
                self.spawn(ctx, growing, move |room, grown, ctx| match grown {
                    Ok(reservation) => room.resume_sync(seat, Some(reservation), ctx),
                    Err(exhausted) => {
                        tracing::info!(%exhausted, "an answer to a Yjs editor got no memory");
                        room.evict_seat(seat, SeatEnd::NoMemory, ctx);
                    }
                });
            }
        }
    }

    fn resume_sync(&mut self, seat: SeatId, granted: Option<Reservation>, ctx: &mut Context<Self>) {
        self.editors.resume(seat, granted);
        self.sync_editors(ctx);
    }

    /// Counts work of `bytes` that walks through a document whose state has about `weight` bytes: an answer to sync step 1, or a check.
    pub(super) fn count_walk(&self, seat: SeatId, bytes: usize, weight: usize) {
        if let Some(seat) = self.editors.seat(seat) {
            let cost = bytes.max(weight / WALK_SHARE);
            self.shared.sync_pace.count(seat.user().id, cost, Instant::now());
        }
    }
}
