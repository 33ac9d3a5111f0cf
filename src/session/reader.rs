//! The inbound bytes of a socket on their way to the framework's codec.
//!
//! The [`SocketReader`] records when bytes arrive, spends the budget of clients that are not admitted yet, and has a
//! [`FrameGuard`] check frame headers before the codec allocates memory for the payloads. It stops reading while the
//! outbox is full, while frames that it has read are not handled yet, while the client sends faster than its
//! [`MessagePace`], while the session has paused it, and while its user has no memory for a large message
//! ([`MessageMemory`]). A large message must arrive in time ([`MessageArrival`]). So the memory of a client that only sends, or announces a huge frame, stays within the limits.
//!
//! After a fault it passes nothing on, but reads until the session drops the socket. Otherwise the kernel would answer
//! further bytes with a reset, and the client might not see the close frame.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    intake::Intake, message_arrival::MessageArrival, message_memory::MessageMemory,
    message_pace::MessagePace,
};
use crate::{
    outbox::Outbox,
    wire::{CloseReason, FrameGuard},
};

/// A pause of the reader that is logged at the level `info`. Shorter pauses are ordinary backpressure.
const NOTABLE_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of what a socket may send.
pub(super) struct ReaderBounds {
    pub(super) pace: MessagePace,
    pub(super) memory: MessageMemory,
    pub(super) arrival: MessageArrival,
}

/// The stream that the codec reads from.
pub(super) struct SocketReader<S> {
    payload: S,
    guard: FrameGuard,
    bounds: ReaderBounds,
    /// Fires when the next message may be read; `None` while the client keeps the pace.
    paced: Option<Pin<Box<Sleep>>>,
    outbox: Outbox,
    intake: Rc<Intake>,
    phase: ReaderPhase,
    /// Since when the full outbox has kept it from reading.
    slowed_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReaderPhase {
    /// Bytes are passed on.
    Reading,
    /// Bytes are read and dropped.
    Draining,
    /// No more bytes arrive.
    Ended,
}

impl<S> SocketReader<S> {
    /// Creates a reader of `payload`.
    pub(super) fn new(
        payload: S,
        guard: FrameGuard,
        bounds: ReaderBounds,
        outbox: Outbox,
        intake: Rc<Intake>,
    ) -> Self {
        let (phase, paced, slowed_since) = (ReaderPhase::Reading, None, None);
        Self { payload, guard, bounds, paced, outbox, intake, phase, slowed_since }
    }

    fn inspect(&mut self, chunk: &[u8]) -> Result<(), CloseReason> {
        self.intake.note_received();
        self.intake.spend(chunk.len())?;
        let before = self.guard.frames();
        self.guard.inspect(chunk)?;
        self.intake.check_budget(self.guard.announced())?;
        let frames = self.guard.frames() - before;
        self.intake.add_unhandled(frames);
        let read_at = self.bounds.pace.count(frames, Instant::now());
        self.paced = read_at.map(|at| Box::pin(sleep_until(at)));
        Ok(())
    }

    /// Is ready unless the client has sent too many messages.
    fn poll_paced(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(paced) = &mut self.paced {
            ready!(paced.as_mut().poll(cx));
            self.paced = None;
            // A client whose socket is not read is not silent, so its silence starts now.
            self.intake.note_received();
        }
        Poll::Ready(())
    }

    fn fail(
        &mut self,
        reason: CloseReason,
        next: ReaderPhase,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.phase = next;
        self.intake.set_fault(reason);
        let error = io::Error::other("the session stopped reading");
        Poll::Ready(Some(Err(PayloadError::Io(error))))
    }

    /// Is ready while the outbox has capacity for replies.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outbox.poll_capacity(cx).is_pending() {
            self.slowed_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        if let Some(since) = self.slowed_since.take() {
            // A client whose socket is not read is not silent, so its silence starts now.
            self.intake.note_received();
            log_slowed(since.elapsed());
        }
        Poll::Ready(())
    }
}

/// Logs that a full outbox kept the session from reading. If the client never reads again, the session's end is logged
/// instead, with the time for which it stalled.
fn log_slowed(stalled: Duration) {
    if stalled >= NOTABLE_PAUSE {
        tracing::info!(reason = "outbox_full", ?stalled, "session slowed");
    } else {
        tracing::debug!(reason = "outbox_full", ?stalled, "session slowed");
    }
}

impl<S> SocketReader<S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.bounds.arrival.end_wait(&self.intake);
        if self.intake.has_unhandled() {
            // No waker is needed: the codec hands out the frames that it holds, then polls again.
            return Poll::Pending;
        }
        ready!(self.poll_paced(cx));
        ready!(self.intake.poll_resumed(cx));
        ready!(self.poll_capacity(cx));
        if let Err(reason) = ready!(self.bounds.memory.poll_reserved(&self.guard, cx)) {
            return self.fail(reason, ReaderPhase::Draining);
        }
        let Poll::Ready(next) = Pin::new(&mut self.payload).poll_next(cx) else {
            ready!(self.bounds.arrival.poll_too_slow(&self.guard, cx));
            return self.fail(CloseReason::MessageTooSlow, ReaderPhase::Draining);
        };
        match next {
            Some(Ok(chunk)) => match self.inspect(&chunk) {
                Ok(()) => Poll::Ready(Some(Ok(chunk))),
                Err(reason) => self.fail(reason, ReaderPhase::Draining),
            },
            Some(Err(_connection_broke)) => self.fail(CloseReason::Gone, ReaderPhase::Ended),
            None => {
                self.phase = ReaderPhase::Ended;
                Poll::Ready(None)
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        while let Some(Ok(_dropped)) = ready!(Pin::new(&mut self.payload).poll_next(cx)) {}
        self.phase = ReaderPhase::Ended;
        Poll::Ready(None)
    }
}

impl<S> Stream for SocketReader<S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = self.get_mut();
        match reader.phase {
            ReaderPhase::Reading => reader.poll_read(cx),
            ReaderPhase::Draining => reader.poll_drain(cx),
            ReaderPhase::Ended => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Waker};

    use futures_util::stream;

    use super::*;
    use crate::{
        connection::LeastRate,
        domain::SessionId,
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
        metrics::Metrics,
        outbox::{OutboxChunks, OutboxOptions},
        wire::{FrameLimits, frame},
    };

    const PING: &[u8] = b"\x89\x80\0\0\0\0";

    fn reader<S>(payload: S) -> (SocketReader<S>, Rc<Intake>, OutboxChunks) {
        let options = OutboxOptions { bound: 10 };
        let (outbox, body) = Outbox::new(SessionId::new(), options, Arc::default());
        let intake = Intake::new(Instant::now(), Some(1_000));
        let guard = FrameGuard::new(FrameLimits { frame: 100, message: 100 });
        let pace = MessagePace::new(2);
        let memory = MessageMemory::new(account(), Rc::clone(&intake));
        let rate = LeastRate { patience: Duration::from_secs(1), bytes_per_second: 1_000 };
        let bounds = ReaderBounds { pace, memory, arrival: MessageArrival::new(rate) };
        (SocketReader::new(payload, guard, bounds, outbox, Rc::clone(&intake)), intake, body)
    }

    fn account() -> MemoryAccount {
        let bounds = MemoryBounds { of_user: 1_000, of_node: 2_000 };
        MemoryAccount::new(MemoryUse::Messages, bounds, Metrics::new())
    }

    fn poll<S>(reader: &mut SocketReader<S>) -> Poll<Option<Result<Bytes, PayloadError>>>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        Pin::new(reader).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_time_when_reading_resumes() {
        let (mut reader, intake, mut body) = reader(stream::pending());
        let opened = Instant::now();
        assert!(poll(&mut reader).is_pending());
        let _queued = reader.outbox.reply(frame::text("more than the bound"), None);

        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(poll(&mut reader).is_pending());
        assert_eq!(intake.received_at(), opened);

        let taken = Pin::new(&mut body).poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(taken.is_ready());
        assert!(poll(&mut reader).is_pending());
        assert_eq!(intake.received_at(), Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_fault_bytes_are_read_and_dropped() {
        let chunks = [PING, b"\xFF", PING, PING].map(|chunk| Ok(Bytes::from_static(chunk)));
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
        intake.handled();
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Err(_)))));
        assert!(matches!(intake.take_fault(), Some(CloseReason::ProtocolError(_))));
        assert!(matches!(poll(&mut reader), Poll::Ready(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_while_a_frame_is_not_handled() {
        let chunks = [PING, PING].map(|chunk| Ok(Bytes::from_static(chunk)));
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
        assert!(poll(&mut reader).is_pending());
        intake.handled();
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_too_many_messages_is_read_later() {
        let chunks = [[PING; 4].concat(), PING.to_vec()].map(|chunk| Ok(Bytes::from(chunk)));
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
        for _ in 0..4 {
            intake.handled();
        }
        assert!(poll(&mut reader).is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_and_the_client_is_not_silent_while_the_session_pauses_the_reader() {
        let chunks = [Ok(Bytes::from_static(PING))];
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        intake.pause(true);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(poll(&mut reader).is_pending());
        assert_eq!(intake.received_at(), Instant::now());
        intake.pause(false);
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
    }
}
