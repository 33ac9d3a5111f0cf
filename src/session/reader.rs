//! A socket's inbound bytes on their way to the framework's codec.
//!
//! The [`SocketReader`] notes that the client was heard, budgets what it may send before it is admitted, checks the
//! frames' headers before the codec buffers what they announce, and stops reading while the client does not take
//! its answers or while frames that were read are not handled yet. So neither a client that only asks nor one
//! that announces a huge frame can make the node keep more than its limits.
//!
//! After a fault nothing is passed on any more, but it reads on until the session lets go of the socket: a client
//! that is still sending would be answered by a reset, and might never see the close frame.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Instant;

use crate::{
    outbox::Outbox,
    wire::{CloseReason, FrameGuard},
};

/// What the reader and its session tell each other.
pub(super) struct Intake {
    heard: Cell<Instant>,
    /// Frames that the codec was given whole and the session has not handled yet.
    unhandled: Cell<u64>,
    /// What is left of the bytes that a client may send before it is admitted; none once it is.
    budget: Cell<Option<usize>>,
    budget_limit: usize,
    fault: RefCell<Option<CloseReason>>,
    /// Whether the session takes nothing for now, and who waits until it does.
    paused: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Intake {
    /// Of a client that may send `budget` bytes before it is admitted.
    pub(super) fn new(now: Instant, budget: usize) -> Rc<Self> {
        Rc::new(Self {
            heard: Cell::new(now),
            unhandled: Cell::new(0),
            budget: Cell::new(Some(budget)),
            budget_limit: budget,
            fault: RefCell::new(None),
            paused: Cell::new(false),
            waiting: RefCell::new(None),
        })
    }

    /// When bytes last came. Nobody can be blamed for what is not read.
    pub(super) fn heard(&self) -> Instant {
        if self.paused.get() { Instant::now() } else { self.heard.get() }
    }

    /// Whether the session takes what comes; otherwise it stays in the socket.
    pub(super) fn pause(&self, paused: bool) {
        if self.paused.replace(paused) && !paused {
            self.heard.set(Instant::now());
            let waiting = self.waiting.borrow_mut().take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    fn poll_taking(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.paused.get() {
            return Poll::Ready(());
        }
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The session has handled one frame.
    pub(super) fn handled(&self) {
        self.unhandled.set(self.unhandled.get().saturating_sub(1));
    }

    /// The client is admitted: no more budget.
    pub(super) fn admitted(&self) {
        self.budget.set(None);
    }

    /// Why reading ended, if the reader ended it.
    pub(super) fn take_fault(&self) -> Option<CloseReason> {
        self.fault.borrow_mut().take()
    }

    fn spend(&self, bytes: usize) -> Result<(), CloseReason> {
        self.can_afford(bytes as u64)?;
        self.budget.set(self.budget.get().map(|left| left.saturating_sub(bytes)));
        Ok(())
    }

    /// What is announced is refused before it comes: the codec makes room for it.
    fn can_afford(&self, bytes: u64) -> Result<(), CloseReason> {
        match self.budget.get() {
            Some(left) if bytes > left as u64 => {
                Err(CloseReason::TooBig { limit: self.budget_limit })
            }
            _ => Ok(()),
        }
    }
}

/// The stream that the codec reads from.
pub(super) struct SocketReader<S> {
    payload: S,
    guard: FrameGuard,
    outbox: Outbox,
    intake: Rc<Intake>,
    phase: IntakePhase,
    /// Whether it has stopped reading until the client takes its answers.
    is_deaf: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IntakePhase {
    /// What comes is passed on.
    Reading,
    /// What comes is dropped.
    Draining,
    /// Nothing comes any more.
    Ended,
}

impl<S> SocketReader<S> {
    /// A reader of `payload`.
    pub(super) fn new(payload: S, guard: FrameGuard, outbox: Outbox, intake: Rc<Intake>) -> Self {
        Self { payload, guard, outbox, intake, phase: IntakePhase::Reading, is_deaf: false }
    }

    fn inspect(&mut self, chunk: &[u8]) -> Result<(), CloseReason> {
        self.intake.heard.set(Instant::now());
        self.intake.spend(chunk.len())?;
        let before = self.guard.frames();
        self.guard.inspect(chunk)?;
        self.intake.can_afford(self.guard.announced())?;
        self.intake.unhandled.set(self.intake.unhandled.get() + self.guard.frames() - before);
        Ok(())
    }

    fn fail(
        &mut self,
        reason: CloseReason,
        next: IntakePhase,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.phase = next;
        *self.intake.fault.borrow_mut() = Some(reason);
        let error = io::Error::other("the session stopped reading");
        Poll::Ready(Some(Err(PayloadError::Io(error))))
    }
}

impl<S> SocketReader<S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if self.intake.unhandled.get() > 0 {
            // The codec still has whole frames: it hands them out and asks again, so nobody needs waking.
            return Poll::Pending;
        }
        if self.intake.poll_taking(cx).is_pending() {
            return Poll::Pending;
        }
        if self.outbox.poll_capacity(cx).is_pending() {
            self.is_deaf = true;
            return Poll::Pending;
        }
        if std::mem::take(&mut self.is_deaf) {
            // Nobody can be blamed for what was not listened to: silence begins now.
            self.intake.heard.set(Instant::now());
        }
        match ready!(Pin::new(&mut self.payload).poll_next(cx)) {
            Some(Ok(chunk)) => match self.inspect(&chunk) {
                Ok(()) => Poll::Ready(Some(Ok(chunk))),
                Err(reason) => self.fail(reason, IntakePhase::Draining),
            },
            Some(Err(_connection_broke)) => self.fail(CloseReason::Gone, IntakePhase::Ended),
            None => {
                self.phase = IntakePhase::Ended;
                Poll::Ready(None)
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        while let Some(Ok(_dropped)) = ready!(Pin::new(&mut self.payload).poll_next(cx)) {}
        self.phase = IntakePhase::Ended;
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
            IntakePhase::Reading => reader.poll_read(cx),
            IntakePhase::Draining => reader.poll_drain(cx),
            IntakePhase::Ended => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use actix_web::body::MessageBody as _;
    use futures_util::stream;

    use super::*;
    use crate::{
        outbox::{OutboxBody, OutboxOptions},
        wire::{FrameLimits, frame},
    };

    const PING: &[u8] = b"\x89\x80\0\0\0\0";

    fn reader<S>(payload: S) -> (SocketReader<S>, Rc<Intake>, OutboxBody) {
        let (outbox, body) = Outbox::new(OutboxOptions { bound: 10 }, Arc::default());
        let intake = Intake::new(Instant::now(), 1_000);
        let guard = FrameGuard::new(FrameLimits { frame: 100, message: 100 });
        (SocketReader::new(payload, guard, outbox, Rc::clone(&intake)), intake, body)
    }

    fn poll<S>(reader: &mut SocketReader<S>) -> Poll<Option<Result<Bytes, PayloadError>>>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        Pin::new(reader).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_does_not_listen_nobody_is_silent() {
        let (mut reader, intake, mut body) = reader(stream::pending());
        let opened = Instant::now();
        assert!(poll(&mut reader).is_pending());
        let _queued = reader.outbox.reply(frame::text("more than the bound"), None);

        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(poll(&mut reader).is_pending());
        assert_eq!(intake.heard(), opened);

        let taken = Pin::new(&mut body).poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(taken.is_ready());
        assert!(poll(&mut reader).is_pending());
        assert_eq!(intake.heard(), Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_fault_it_reads_on_and_passes_nothing_on() {
        let chunks = [PING, b"\xFF", PING, PING].map(|chunk| Ok(Bytes::from_static(chunk)));
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
        intake.handled();
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Err(_)))));
        assert!(matches!(intake.take_fault(), Some(CloseReason::ProtocolError(_))));
        assert!(matches!(poll(&mut reader), Poll::Ready(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_until_what_it_read_is_handled() {
        let chunks = [PING, PING].map(|chunk| Ok(Bytes::from_static(chunk)));
        let (mut reader, intake, _body) = reader(stream::iter(chunks));

        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
        assert!(poll(&mut reader).is_pending());
        intake.handled();
        assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
    }
}
