//! The handle with which requests and sessions tell the connection they arrived on what it does, and end it.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    ConnectionDeadlines,
    deadlines::{AnswerPace, ConnectionPhase},
    line_ends::LineEnds,
    places::ConnectionPlace,
};
use crate::domain::UserId;

/// The most requests of one connection that are begun before other connections have their turn. A client that sends thousands
/// of small requests at once could otherwise occupy the thread for milliseconds.
const MAX_REQUESTS_IN_TURN: u32 = 8;

/// A connection, as the requests that arrive on it see it. Clones are the same connection.
///
/// It belongs to the thread of the connection.
#[derive(Clone, Default)]
pub struct ConnectionHandle {
    state: Rc<ConnectionState>,
}

/// Has a session tell its client why its connection ends.
type Farewell = Box<dyn FnOnce()>;

/// How long the last frame of a session has that gives way.
const FAREWELL: Duration = Duration::from_millis(100);

#[derive(Default)]
struct ConnectionState {
    is_ended: Cell<bool>,
    /// Whether no further request is answered.
    is_past_last_request: Cell<bool>,
    phase: Cell<ConnectionPhase>,
    /// Whether the request that is being answered may take the socket over.
    is_offered: Cell<bool>,
    answer: Cell<AnswerPace>,
    /// Whether a write waits for the client.
    is_writing: Cell<bool>,
    /// Whether the task that reads must be woken to read again.
    is_read_held: Cell<bool>,
    /// The requests that were begun in this turn of the task.
    begun: Cell<u32>,
    line_ends: Cell<LineEnds>,
    /// The last bytes that arrived.
    tail: Cell<[u8; 3]>,
    /// The bytes that the kernel has accepted so far, modulo 2^64.
    accepted: Cell<u64>,
    /// The place that the connection takes until it is closed.
    place: RefCell<Option<ConnectionPlace>>,
    /// What a session tells its client before the connection ends for that of another client.
    farewell: RefCell<Option<Farewell>>,
    /// The task that reads. It writes as well, unless the connection is a WebSocket.
    reader: RefCell<Option<Waker>>,
    /// The task that waits until it can write.
    writer: RefCell<Option<Waker>>,
    is_closed: Cell<bool>,
    /// Wakes those who wait until the socket is closed.
    closed: Notify,
}

impl ConnectionState {
    /// Wakes the task that reads.
    fn wake(&self) {
        let waker = self.reader.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns whether reading must wait. A session reads on, because it bounds what it answers itself.
    fn must_hold_read(&self) -> bool {
        match self.phase.get() {
            ConnectionPhase::Session => false,
            ConnectionPhase::Answering { missing: 0 } => true,
            ConnectionPhase::Answering { .. } | ConnectionPhase::Idle { .. } => {
                self.is_writing.get()
            }
        }
    }

    /// Wakes the task if it has been told to read later and may read now. Nothing else may wake it for bytes that arrived
    /// meanwhile.
    fn release_read(&self) {
        if !self.must_hold_read() && self.is_read_held.replace(false) {
            self.wake();
        }
    }
}

/// A request that is being answered. The connection waits for the next one once it is dropped.
pub struct AnsweredRequest {
    connection: ConnectionHandle,
    has_body: bool,
}

impl ConnectionHandle {
    /// Notes that the head of a request is complete, whose body has at most `body` bytes. The request is answered until the
    /// result is dropped.
    #[must_use]
    pub fn begin_request(&self, body: u64) -> AnsweredRequest {
        if self.state.phase.get() != ConnectionPhase::Session {
            self.state.phase.set(ConnectionPhase::Answering { missing: body });
        }
        self.state.begun.set(self.state.begun.get() + 1);
        // An answer that still waits keeps its time, however many requests follow it.
        if !self.state.is_writing.get() {
            self.state.answer.set(AnswerPace::default());
        }
        AnsweredRequest { connection: self.clone(), has_body: body > 0 }
    }

    /// Notes that the request that is being answered is the last one of the connection.
    pub fn end_with_request(&self) {
        self.state.is_past_last_request.set(true);
    }

    /// Returns whether a request comes after the last one. The server refuses it.
    #[must_use]
    pub fn is_past_last_request(&self) -> bool {
        self.state.is_past_last_request.get()
    }

    /// Notes that the socket goes to the session that the present request begins, if it begins one.
    pub fn offer(&self) {
        self.state.is_offered.set(true);
    }

    /// Returns whether the present request may begin a session.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.state.is_offered.get()
    }

    /// Waits until the connection is to end.
    pub async fn ended(&self) {
        poll_fn(|cx| {
            if self.is_ended() {
                return Poll::Ready(());
            }
            self.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Notes that the connection is a WebSocket from now on. Its session has its own deadlines. `farewell` queues a close frame,
    /// for when the connection has to give way.
    pub fn begin_session(&self, farewell: impl FnOnce() + 'static) {
        self.state.phase.set(ConnectionPhase::Session);
        *self.state.farewell.borrow_mut() = Some(Box::new(farewell));
        self.state.release_read();
    }

    /// Ends the connection, because another client needs its place. A session has a moment to send its close frame.
    pub(super) fn give_way(&self) {
        let farewell = self.state.farewell.borrow_mut().take();
        let Some(farewell) = farewell else { return self.end() };
        farewell();
        let connection = self.clone();
        actix_rt::spawn(async move { connection.close_within(FAREWELL, 1).await });
    }

    /// Notes that the client has shown a valid token of this user, so that its connection is not closed for those of
    /// strangers, unless the user has too many.
    pub fn authenticate(&self, user: UserId) {
        if let Some(place) = &*self.state.place.borrow()
            && place.authenticate(user)
        {
            self.forget_farewell();
        }
    }

    /// Waits until the connection is closed. Ends it once the client has accepted nothing for `patience`, and after
    /// `rounds` times `patience` in any case.
    ///
    /// The time is measured in rounds of `patience`, so a client may accept nothing for almost two of them.
    pub async fn close_within(&self, patience: Duration, rounds: u32) {
        for _ in 0..rounds {
            let accepted = self.state.accepted.get();
            // Several may wait, one of them before and one after the socket is closed.
            if self.state.is_closed.get()
                || tokio::time::timeout(patience, self.state.closed.notified()).await.is_ok()
            {
                return;
            }
            if self.state.accepted.get() == accepted {
                break;
            }
        }
        self.end();
    }

    /// Makes the next read and the next write fail, so that the framework or the session closes the socket.
    pub fn end(&self) {
        self.state.is_ended.set(true);
        self.state.wake();
        let writer = self.state.writer.borrow_mut().take();
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state.is_ended.get()
    }

    /// Notes that the task of the connection begins a turn.
    pub(super) fn begin_turn(&self) {
        self.state.begun.set(0);
    }

    /// Returns whether the connection is a WebSocket.
    pub(super) fn is_session(&self) -> bool {
        self.state.phase.get() == ConnectionPhase::Session
    }

    /// Returns whether reading must wait, until the client has accepted what is written or a request has been answered.
    /// Then the task of `cx` is woken. Otherwise the answers to a client that only sends would pile up, or its requests.
    pub(super) fn holds_read(&self, cx: &Context<'_>) -> bool {
        let is_held = self.state.must_hold_read();
        if is_held {
            self.state.is_read_held.set(true);
            self.register(cx);
        }
        is_held
    }

    /// Returns when the head that is arriving must be complete.
    pub(super) fn head_deadline(&self, deadlines: &ConnectionDeadlines) -> Option<Instant> {
        self.state.phase.get().head_deadline(deadlines)
    }

    /// Returns how long a write may wait.
    pub(super) fn write_patience(&self, deadlines: &ConnectionDeadlines) -> Duration {
        match self.state.phase.get() {
            ConnectionPhase::Session => deadlines.max_stall,
            ConnectionPhase::Idle { .. } | ConnectionPhase::Answering { .. } => {
                self.state.answer.get().patience(deadlines)
            }
        }
    }

    /// Notes that bytes arrived. Marks those of a head for which it is refused ([`LineEnds`]).
    pub(super) fn note_read(&self, bytes: &mut [u8]) {
        let phase = self.state.phase.get();
        match phase {
            ConnectionPhase::Session => return,
            ConnectionPhase::Idle { .. } => {
                let mut line_ends = self.state.line_ends.get();
                line_ends.check(bytes);
                self.state.line_ends.set(line_ends);
            }
            ConnectionPhase::Answering { .. } => {}
        }
        self.state.phase.set(phase.after_bytes(bytes.len(), Instant::now()));
        let mut tail = self.state.tail.get();
        for byte in &bytes[bytes.len().saturating_sub(tail.len())..] {
            tail = [tail[1], tail[2], *byte];
        }
        self.state.tail.set(tail);
    }

    pub(super) fn note_write_waits(&self) {
        self.state.is_writing.set(true);
    }

    /// Notes that the kernel has accepted bytes, after a write had waited for `waited`.
    pub(super) fn note_accepted(&self, bytes: usize, waited: Duration) {
        if self.state.is_writing.replace(false) {
            self.state.release_read();
        }
        self.state.accepted.set(self.state.accepted.get().wrapping_add(bytes as u64));
        let mut answer = self.state.answer.get();
        answer.accept(bytes, waited);
        self.state.answer.set(answer);
    }

    /// Wakes the task of `cx`, which reads, when the connection is ended.
    pub(super) fn register(&self, cx: &Context<'_>) {
        keep(&mut self.state.reader.borrow_mut(), cx);
    }

    /// Wakes the task of `cx`, which waits until it can write, when the connection is ended.
    pub(super) fn register_writer(&self, cx: &Context<'_>) {
        keep(&mut self.state.writer.borrow_mut(), cx);
    }

    pub(super) fn set_place(&self, place: ConnectionPlace) {
        *self.state.place.borrow_mut() = Some(place);
    }

    fn forget_farewell(&self) {
        let farewell = self.state.farewell.borrow_mut().take();
        drop(farewell);
    }

    pub(super) fn note_closed(&self) {
        self.forget_farewell();
        let place = self.state.place.borrow_mut().take();
        drop(place);
        self.state.is_closed.set(true);
        self.state.closed.notify_waiters();
    }
}

/// Keeps the task of `cx`, to be woken later.
pub(super) fn keep(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

/// Returns whether these bytes are the end of a complete head.
fn is_empty_line(tail: [u8; 3]) -> bool {
    matches!(tail, [b'\n', b'\r', b'\n'] | [_, b'\n', b'\n'])
}

impl AnsweredRequest {
    /// Gives other connections their turn if this one has had enough requests in its own.
    pub async fn take_turn(&self) {
        let begun = &self.connection.state.begun;
        if begun.get() > MAX_REQUESTS_IN_TURN {
            begun.set(0);
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for AnsweredRequest {
    fn drop(&mut self) {
        let state = &self.connection.state;
        if state.phase.get() == ConnectionPhase::Session {
            return;
        }
        let mut line_ends = state.line_ends.get();
        line_ends.begin();
        state.line_ends.set(line_ends);
        // The part of the next head that arrived together with this request is already in the framework's buffer. Its time
        // begins now. Behind a body it cannot be recognized; such a connection ends with `server.keep_alive`.
        if self.has_body || is_empty_line(state.tail.get()) {
            state.phase.set(ConnectionPhase::Idle { head_since: None });
        } else {
            state.phase.set(ConnectionPhase::Idle { head_since: Some(Instant::now()) });
            // The next read sets the timer.
            state.wake();
        }
        state.release_read();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn many_requests_at_once_are_answered_in_turns() {
        let connection = ConnectionHandle::default();
        let mut waited = 0;
        for _ in 0..MAX_REQUESTS_IN_TURN * 3 {
            let request = connection.begin_request(0);
            if request.take_turn().now_or_never().is_none() {
                waited += 1;
            }
        }
        assert_eq!(waited, 2);

        // The task reads before it answers the next requests.
        for _ in 0..MAX_REQUESTS_IN_TURN * 3 {
            connection.begin_turn();
            assert!(connection.begin_request(0).take_turn().now_or_never().is_some());
        }
    }
}
