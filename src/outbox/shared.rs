//! The state that both ends of an outbox share, behind one lock.
//!
//! The lock is held while a frame is queued or taken, and never while a task is woken or dropped. Three kinds of tasks
//! wait here: the connection for frames, the session's reader for capacity, and rooms for a seat that may be sent
//! more. The first two have one waker each: if several tasks poll, the last one is woken.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{OutboxTotals, Queue, SeatId};
use crate::domain::SessionId;

#[derive(Debug)]
pub(super) struct OutboxShared {
    session: SessionId,
    pub(super) state: Mutex<OutboxState>,
    totals: Arc<OutboxTotals>,
}

#[derive(Debug)]
pub(super) struct OutboxState {
    pub(super) queue: Queue,
    /// The seats whose frames are accepted.
    pub(super) seats: HashSet<SeatId>,
    /// Whether the session has ended, so that the chunks may end too.
    pub(super) is_finished: bool,
    body: Option<Waker>,
    pub(super) reader: Option<Waker>,
    /// The tasks that wait until their seat may be sent more.
    #[allow(
        clippy::box_collection,
        reason = "every session has an outbox, and few have one of these"
    )]
    waiting: Option<Box<HashMap<SeatId, WaitingSeat>>>,
    /// How many chunks the socket has taken.
    pub(super) chunks_taken: u32,
}

/// A task that waits until its seat may be sent more.
#[derive(Debug)]
struct WaitingSeat {
    waker: Waker,
    /// How many chunks the socket had taken when the task began to wait, if it has to take another one first.
    since: Option<u32>,
}

impl OutboxState {
    /// Returns whether a seat may be sent more. With `since`, the socket must have taken a chunk after that many, or
    /// be waiting for one.
    pub(super) fn may_send_more(&self, since: Option<u32>) -> bool {
        let has_moved_on =
            since.is_none_or(|since| since != self.chunks_taken || self.body.is_some());
        !self.queue.is_open() || (self.queue.is_low() && has_moved_on)
    }

    /// Registers a task that waits for `seat`. Returns the waker that it replaces, to be dropped without the lock.
    pub(super) fn wait(&mut self, seat: SeatId, waker: Waker, since: Option<u32>) -> Option<Waker> {
        let waiting = self.waiting.get_or_insert_default();
        waiting.insert(seat, WaitingSeat { waker, since }).map(|old| old.waker)
    }

    /// Takes out the tasks that need not wait any more.
    fn take_ready(&mut self) -> Vec<Waker> {
        let Some(mut waiting) = self.waiting.take() else { return vec![] };
        let ready = waiting
            .extract_if(|seat, task| self.may_send_more(task.since) || !self.seats.contains(seat))
            .map(|(_, task)| task.waker)
            .collect();
        if !waiting.is_empty() {
            self.waiting = Some(waiting);
        }
        ready
    }

    /// Returns whether the session may read more of its socket.
    pub(super) fn has_capacity(&self) -> bool {
        !self.queue.is_open() || !self.queue.is_full()
    }

    fn is_at_its_end(&self) -> bool {
        self.is_finished && self.queue.is_over()
    }

    fn must_wake_body(&self) -> bool {
        !self.queue.is_empty() || self.is_at_its_end()
    }
}

impl OutboxShared {
    pub(super) fn new(session: SessionId, bound: usize, totals: Arc<OutboxTotals>) -> Self {
        let state = OutboxState {
            queue: Queue::new(bound),
            seats: HashSet::new(),
            is_finished: false,
            body: None,
            reader: None,
            waiting: None,
            chunks_taken: 0,
        };
        Self { session, state: Mutex::new(state), totals }
    }

    /// Reports that a frame of this class has filled the outbox.
    pub(super) fn report_limit(&self, cause: &'static str) {
        self.totals.limit_reached(self.session, cause);
    }

    /// Returns the next chunk for the socket, or none at the end.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let now = Instant::now();
        let mut old = None;
        let taken = self.change(|state| match state.queue.take(now) {
            Some(chunk) => {
                state.chunks_taken = state.chunks_taken.wrapping_add(1);
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

    /// Changes the state, updates the totals, and wakes the affected tasks after the lock is released.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut OutboxState) -> T) -> T {
        let mut state = self.state.lock();
        let before = state.queue.bytes();
        let result = work(&mut state);
        self.totals.moved(before, state.queue.bytes());

        let body = if state.must_wake_body() { state.body.take() } else { None };
        let reader = if state.has_capacity() { state.reader.take() } else { None };
        let ready = state.take_ready();
        drop(state);

        for waker in [body, reader].into_iter().flatten().chain(ready) {
            waker.wake();
        }
        result
    }
}
