//! The end of an outbox that rooms and the session hold.
//!
//! A seat's frames are accepted from [`Outbox::open_seat`] until the seat ends. Both happen under the outbox's lock,
//! so once a seat has ended, none of its frames is queued and none is accepted, whichever thread its room runs on.
//! This is what makes a revocation final.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Beat, Closing, InFlight, OutboxChunks, OutboxFrame, OutboxOptions, OutboxTotals, PushOutcome,
    Pushed, Queue, SeatFrame, SeatId,
    shared::{OutboxShared, OutboxState},
};
use crate::domain::SessionId;

/// A session's send buffer, which any thread may write to. Clones are the same outbox.
///
/// Methods return immediately unless they are `async`. [`Queue`] documents what happens to each class of frame.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<OutboxShared>,
}

impl Outbox {
    /// Creates the empty outbox of `session` and the chunks that drain it. Its bytes count in `totals` until the chunks are
    /// dropped.
    #[must_use]
    pub fn new(
        session: SessionId,
        options: OutboxOptions,
        totals: Arc<OutboxTotals>,
    ) -> (Self, OutboxChunks) {
        let shared = Arc::new(OutboxShared::new(session, options.bound, totals));
        (Self { shared: Arc::clone(&shared) }, OutboxChunks::new(shared))
    }

    /// Calls [`Queue::reply`] with the current time.
    pub fn reply(&self, frame: impl Into<OutboxFrame>, in_flight: Option<InFlight>) -> Pushed {
        self.push("reply", |queue, now| queue.reply(frame, in_flight, now))
    }

    /// Calls [`Queue::send`] if the seat is open.
    pub fn send(&self, seat: SeatId, frame: SeatFrame) -> Pushed {
        let is_open = |state: &mut OutboxState| state.seats.contains(&seat);
        self.push_if(frame.class(), is_open, |queue, now| queue.send(seat, frame, now))
    }

    /// Does what [`send`](Self::send) would do with a frame that a full outbox does not queue, so that the frame need not be
    /// made: `frame` has no bytes. Returns what happened to it. `None` if the frame has to be made and sent.
    #[must_use]
    pub fn refuse(&self, seat: SeatId, frame: SeatFrame) -> Option<PushOutcome> {
        let is_refused = |state: &mut OutboxState| {
            state.seats.contains(&seat) && state.queue.would_refuse(seat, &frame)
        };
        let pushed = self
            .push_if(frame.class(), is_refused, |queue, now| queue.send(seat, frame.clone(), now));
        Some(pushed.outcome).filter(|outcome| *outcome != PushOutcome::Closed)
    }

    /// Waits until a seat that is behind may be sent more: at most half of the bound is queued ([`Queue::is_low`]), or
    /// the seat has ended.
    pub async fn drained(&self, seat: SeatId) {
        self.wait(seat, None).await;
    }

    /// Waits like [`Outbox::drained`], and until the socket has taken a chunk or asks for one.
    ///
    /// Removing queued frames drains the outbox but is no progress of the subscriber. A caller that sends large frames
    /// waits for progress, so that it prepares a frame only as often as the socket takes one.
    pub async fn moved_on(&self, seat: SeatId) {
        let taken = self.shared.state.lock().chunks_taken;
        self.wait(seat, Some(taken)).await;
    }

    async fn wait(&self, seat: SeatId, since: Option<u32>) {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.may_send_more(since) || !state.seats.contains(&seat) {
                return Poll::Ready(());
            }
            let old = state.wait(seat, cx.waker().clone(), since);
            drop(state);
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// Calls [`Queue::remove_changes`].
    pub fn remove_changes(&self, seat: SeatId) {
        self.shared.change(|state| state.queue.remove_changes(seat));
    }

    /// Accepts frames for this seat from now on. Returns false if the session is closing or gone.
    #[must_use]
    pub fn open_seat(&self, seat: SeatId) -> bool {
        self.shared.change(|state| state.queue.is_open() && state.seats.insert(seat))
    }

    /// Ends a seat at once: removes its queued frames and accepts no more. If the seat was open, `last` is queued.
    pub fn end_seat(&self, seat: SeatId, last: Option<Bytes>) {
        // The last frame is lost only if the connection is gone.
        let _ended = self.push_last(seat, |queue, now| queue.end_seat(seat, last, now));
    }

    /// Ends a seat after its queued frames: queues `last` behind them and accepts no more.
    pub fn finish_seat(&self, seat: SeatId, last: Bytes) {
        let _ended = self.push_last(seat, |queue, now| queue.reply(last, None, now));
    }

    /// Calls [`Queue::beat`] with the current time.
    pub fn beat(&self, beat: Beat, frame: Bytes) -> Pushed {
        self.push("heartbeat", |queue, now| queue.beat(beat, frame, now))
    }

    /// Calls [`Queue::close`] with the current time.
    pub fn close(&self, frame: Bytes, closing: Closing) -> Pushed {
        self.push("close", |queue, now| queue.close(frame, closing, now))
    }

    /// Returns the number of queued bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.state.lock().queue.bytes()
    }

    /// Returns whether the outbox has reached its bound.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.state.lock().queue.is_full()
    }

    /// Calls [`Queue::is_low`].
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.shared.state.lock().queue.is_low()
    }

    /// Returns whether frames are accepted: the session is neither closing nor gone.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.state.lock().queue.is_open()
    }

    /// Calls [`Queue::stalled_for`] with the current time.
    #[must_use]
    pub fn stalled_for(&self) -> Duration {
        self.shared.state.lock().queue.stalled_for(Instant::now())
    }

    /// Polls for the capacity that the session needs before it reads more of its socket. Also ready if no reply will be
    /// queued any more.
    pub fn poll_capacity(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if state.has_capacity() {
            return Poll::Ready(());
        }
        let old = state.reader.replace(cx.waker().clone());
        // A waker's last clone may drop its task, and that task may hold this outbox's chunks.
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Ends the session's part: the chunks end once the queued frames have left. If no close frame was queued, all
    /// frames are dropped.
    pub fn finish(&self) {
        self.shared.change(|state| {
            if state.queue.is_open() {
                state.queue.abandon();
            }
            state.is_finished = true;
        });
    }

    /// Ends a seat, if it is open, together with its last frame.
    fn push_last(&self, seat: SeatId, work: impl FnOnce(&mut Queue, Instant) -> Pushed) -> Pushed {
        self.push_if("seat_end", |state| state.seats.remove(&seat), work)
    }

    fn push(
        &self,
        cause: &'static str,
        work: impl FnOnce(&mut Queue, Instant) -> Pushed,
    ) -> Pushed {
        self.push_if(cause, |_state| true, work)
    }

    /// Pushes a frame if `is_accepted`, and reports when it fills the outbox. `cause` names its class.
    fn push_if(
        &self,
        cause: &'static str,
        is_accepted: impl FnOnce(&mut OutboxState) -> bool,
        work: impl FnOnce(&mut Queue, Instant) -> Pushed,
    ) -> Pushed {
        let now = Instant::now();
        let pushed = self.shared.change(|state| {
            if is_accepted(state) { work(&mut state.queue, now) } else { Pushed::closed() }
        });
        if pushed.reached_limit {
            self.shared.report_limit(cause);
        }
        pushed
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
