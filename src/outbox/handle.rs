//! The end of an outbox that rooms and the session hold.
//!
//! One lock, held for as long as a frame takes to be put in line, and never while somebody is woken. Two tasks may
//! wait on an outbox: the connection for something to send, and the session's reader for room. Each has one waker;
//! the last task to poll is the one that is woken.
//!
//! A seat's frames are accepted from [`Outbox::open_seat`] until it ends, and both stand under that lock: once a
//! seat has ended, nothing of it waits and nothing of it can come, whichever thread its room is on.

use std::{
    collections::{HashMap, HashSet},
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    Beat, Closing, InFlight, OutboxBody, OutboxOptions, OutboxTotals, PushOutcome, Pushed, Queue,
    SeatId,
};
use crate::domain::{PresenceChangeKind, SessionId, Version};

/// A session's send buffer, for any thread to write to. Clones are the same outbox.
///
/// Nothing here waits, except where a method says so. What the classes of frames mean is said in [`Queue`].
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<OutboxShared>,
}

impl Outbox {
    /// An empty outbox of `session`, and the body that drains it. Until the body is dropped, its bytes count in `totals`.
    #[must_use]
    pub fn new(
        session: SessionId,
        options: OutboxOptions,
        totals: Arc<OutboxTotals>,
    ) -> (Self, OutboxBody) {
        let state = OutboxState {
            queue: Queue::new(options.bound),
            seats: HashSet::new(),
            is_finished: false,
            body: None,
            reader: None,
            behind: None,
            takes: 0,
        };
        let shared = Arc::new(OutboxShared { session, state: Mutex::new(state), totals });
        (Self { shared: Arc::clone(&shared) }, OutboxBody::new(shared))
    }

    /// [`Queue::reply`], now.
    pub fn reply(&self, frame: Bytes, in_flight: Option<InFlight>) -> Pushed {
        self.push("reply", |queue, now| queue.reply(frame, in_flight, now))
    }

    /// [`Queue::cursor`], now.
    pub fn cursor(&self, seat: SeatId, about: SessionId, frame: Bytes) -> Pushed {
        self.push_for(seat, "cursor", |queue, now| queue.cursor(seat, about, frame, now))
    }

    /// [`Queue::presence`], now.
    pub fn presence(
        &self,
        seat: SeatId,
        about: SessionId,
        kind: PresenceChangeKind,
        frame: Bytes,
    ) -> Pushed {
        self.push_for(seat, "presence", |queue, now| queue.presence(seat, about, kind, frame, now))
    }

    /// [`Queue::change`], now.
    pub fn change(&self, seat: SeatId, version: Version, frame: Bytes) -> Pushed {
        self.push_for(seat, "change", |queue, now| queue.change(seat, version, frame, now))
    }

    /// [`Queue::lasting`], now.
    pub fn lasting(&self, seat: SeatId, frame: Bytes) -> Pushed {
        self.push_for(seat, "lasting", |queue, now| queue.lasting(seat, frame, now))
    }

    /// Waits until so little waits that a seat that is behind may be sent more, or until it has ended.
    pub async fn drained(&self, seat: SeatId) {
        self.wait(seat, None).await;
    }

    /// The same, and until the socket has taken something or asks for more: what gave way makes room, but no progress.
    /// So whoever sends much at once does so only as often as it is taken.
    pub async fn moved_on(&self, seat: SeatId) {
        let takes = self.shared.state.lock().takes;
        self.wait(seat, Some(takes)).await;
    }

    async fn wait(&self, seat: SeatId, since: Option<u32>) {
        poll_fn(|cx| {
            let mut state = self.shared.state.lock();
            if state.may_send_more(since) || !state.seats.contains(&seat) {
                return Poll::Ready(());
            }
            let behind = state.behind.get_or_insert_default();
            let old = behind.insert(seat, (cx.waker().clone(), since));
            drop(state);
            drop(old);
            Poll::Pending
        })
        .await;
    }

    /// From now on frames are accepted for this seat. False when the session is closing or gone.
    #[must_use]
    pub fn open_seat(&self, seat: SeatId) -> bool {
        self.shared.change(|state| state.queue.is_open() && state.seats.insert(seat))
    }

    /// Ends a seat: what waits for it goes, and nothing more is accepted. `last` is queued if the seat was open.
    pub fn end_seat(&self, seat: SeatId, last: Option<Bytes>) {
        // Whatever became of the last frame: at worst the connection is gone, and its client with it.
        let _ended = self.push_last(seat, |queue, now| queue.end_seat(seat, last, now));
    }

    /// Ends a seat behind what waits for it: nothing more is accepted but `last`.
    pub fn finish_seat(&self, seat: SeatId, last: Bytes) {
        let _ended = self.push_last(seat, |queue, now| queue.reply(last, None, now));
    }

    /// [`Queue::beat`], now.
    pub fn beat(&self, beat: Beat, frame: Bytes) -> Pushed {
        self.push("heartbeat", |queue, now| queue.beat(beat, frame, now))
    }

    /// [`Queue::close`], now.
    pub fn close(&self, frame: Bytes, closing: Closing) -> Pushed {
        self.push("close", |queue, now| queue.close(frame, closing, now))
    }

    /// How many bytes wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.state.lock().queue.bytes()
    }

    /// Whether the bound is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.state.lock().queue.is_full()
    }

    /// [`Queue::is_low`].
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.shared.state.lock().queue.is_low()
    }

    /// Whether frames are still accepted: neither closing nor gone.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.state.lock().queue.is_open()
    }

    /// [`Queue::stalled_for`], now.
    #[must_use]
    pub fn stalled_for(&self) -> Duration {
        self.shared.state.lock().queue.stalled_for(Instant::now())
    }

    /// Ready while the session may read more of its socket: replies still find room, or none will come any more.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.state.lock();
        if state.has_room() {
            return Poll::Ready(());
        }
        let old = state.reader.replace(cx.waker().clone());
        // A waker's last clone may drop its task, and that task may hold this outbox's body.
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// The session has nothing more to wait for: the body ends once what waits has left. Without a close frame,
    /// nothing of it does.
    pub fn finish(&self) {
        self.shared.change(|state| {
            if state.queue.is_open() {
                state.queue.abandon();
            }
            state.is_finished = true;
        });
    }

    /// Pushes a frame of an open seat.
    fn push_for(
        &self,
        seat: SeatId,
        cause: &'static str,
        work: impl FnOnce(&mut Queue, Instant) -> Pushed,
    ) -> Pushed {
        self.push_if(cause, |state| state.seats.contains(&seat), work)
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
        let pushed = self.shared.change(|state| match is_accepted(state) {
            true => work(&mut state.queue, now),
            false => Pushed { outcome: PushOutcome::Closed, reached_bound: false },
        });
        if pushed.reached_bound {
            self.shared.totals.bound_reached(self.shared.session, cause);
        }
        pushed
    }
}

#[derive(Debug)]
pub(super) struct OutboxShared {
    session: SessionId,
    state: Mutex<OutboxState>,
    totals: Arc<OutboxTotals>,
}

/// Who waits for a seat, and how often the socket had taken something when it began to, if that matters.
type Behind = (Waker, Option<u32>);

#[derive(Debug)]
struct OutboxState {
    queue: Queue,
    /// The seats for which frames are accepted.
    seats: HashSet<SeatId>,
    /// Whether the session has gone, so that the body may end.
    is_finished: bool,
    body: Option<Waker>,
    reader: Option<Waker>,
    /// Seats that wait until more may be sent; most of the time there are none.
    #[allow(
        clippy::box_collection,
        reason = "every session has an outbox, and few have one of these"
    )]
    behind: Option<Box<HashMap<SeatId, Behind>>>,
    /// How often the socket has taken something.
    takes: u32,
}

impl OutboxState {
    /// `since` is how often the socket had taken something, if it has to have moved on.
    fn may_send_more(&self, since: Option<u32>) -> bool {
        let has_moved_on = since.is_none_or(|since| since != self.takes || self.body.is_some());
        !self.queue.is_open() || (self.queue.is_low() && has_moved_on)
    }

    /// Who waits until more may be sent and need not any more.
    fn take_behind(&mut self) -> Vec<Waker> {
        let Some(mut behind) = self.behind.take() else { return vec![] };
        let woken = behind
            .extract_if(|seat, (_, since)| self.may_send_more(*since) || !self.seats.contains(seat))
            .map(|(_, (waker, _))| waker)
            .collect();
        if !behind.is_empty() {
            self.behind = Some(behind);
        }
        woken
    }

    fn has_room(&self) -> bool {
        !self.queue.is_open() || !self.queue.is_full()
    }

    fn is_at_its_end(&self) -> bool {
        self.is_finished && self.queue.is_over()
    }

    fn has_something_to_say(&self) -> bool {
        !self.queue.is_empty() || self.is_at_its_end()
    }
}

impl OutboxShared {
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let now = Instant::now();
        let mut old = None;
        let taken = self.change(|state| match state.queue.take(now) {
            Some(chunk) => {
                state.takes = state.takes.wrapping_add(1);
                Poll::Ready(Some(chunk))
            }
            None if state.is_at_its_end() => Poll::Ready(None),
            None => {
                old = state.body.replace(cx.waker().clone());
                Poll::Pending
            }
        });
        drop(old);
        taken
    }

    pub(super) fn connection_is_gone(&self) {
        self.change(|state| {
            state.queue.abandon();
            state.seats = HashSet::new();
        });
    }

    /// Changes what waits, keeps the totals exact, and wakes whom it concerns once the lock is free.
    fn change<T>(&self, work: impl FnOnce(&mut OutboxState) -> T) -> T {
        let mut state = self.state.lock();
        let before = state.queue.bytes();
        let result = work(&mut state);
        self.totals.moved(before, state.queue.bytes());

        let body = if state.has_something_to_say() { state.body.take() } else { None };
        let reader = if state.has_room() { state.reader.take() } else { None };
        let behind = state.take_behind();
        drop(state);

        for waker in [body, reader].into_iter().flatten().chain(behind) {
            waker.wake();
        }
        result
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
