//! The time that a large message takes to arrive.
//!
//! A large message takes memory that others need, so it has to arrive at the least rate. Only the time in which the server
//! reads and nothing arrives counts.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::intake::Intake;
use crate::{connection::LeastRate, editing::loader::MAX_INLINE_BYTES, wire::FrameGuard};

/// Measures how the messages of one socket arrive.
pub(super) struct MessageArrival {
    rate: LeastRate,
    /// For how long the server has waited for bytes of the message.
    waited: Duration,
    /// The bytes of the message that had arrived when the server last waited.
    arrived: u64,
    /// Since when the server waits for more.
    waits_since: Option<Instant>,
    /// Wakes the reader when the message has become too slow.
    timer: Option<Pin<Box<Sleep>>>,
}

impl MessageArrival {
    /// Creates the measurement of a socket on which nothing has arrived.
    pub(super) fn new(rate: LeastRate) -> Self {
        Self { rate, waited: Duration::ZERO, arrived: 0, waits_since: None, timer: None }
    }

    /// Notes that the reader runs again, after bytes or something else woke it.
    pub(super) fn end_wait(&mut self, intake: &Intake) {
        if let Some(since) = self.waits_since.take() {
            // The session may have paused the reader meanwhile.
            let since = since.max(intake.received_at());
            self.waited += Instant::now().saturating_duration_since(since);
        }
    }

    /// Notes that the reader waits for bytes. Is ready when the large message that `guard` is receiving is too slow.
    pub(super) fn poll_too_slow(&mut self, guard: &FrameGuard, cx: &mut Context<'_>) -> Poll<()> {
        let announced = guard.message_bytes();
        if announced <= MAX_INLINE_BYTES as u64 {
            (self.waited, self.arrived) = (Duration::ZERO, 0);
            return Poll::Pending;
        }
        let arrived = announced.saturating_sub(guard.announced());
        if arrived < self.arrived {
            // It is another message.
            self.waited = Duration::ZERO;
        }
        self.arrived = arrived;
        let left = self.rate.time_for(arrived).saturating_sub(self.waited);
        if left.is_zero() {
            return Poll::Ready(());
        }
        let now = Instant::now();
        self.waits_since = Some(now);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(now)));
        timer.as_mut().reset(now + left);
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, task::Waker};

    use super::*;
    use crate::wire::FrameLimits;

    const BYTES: usize = 200_000;
    const RATE: LeastRate =
        LeastRate { patience: Duration::from_secs(10), bytes_per_second: 10_000 };

    struct Socket {
        arrival: MessageArrival,
        guard: FrameGuard,
        intake: Rc<Intake>,
    }

    impl Socket {
        /// Returns a socket on which the head of a large message has arrived.
        fn new() -> Self {
            let limits = FrameLimits { frame: BYTES, message: BYTES };
            let (arrival, guard) = (MessageArrival::new(RATE), FrameGuard::new(limits));
            let mut socket = Self { arrival, guard, intake: Intake::new(Instant::now(), None) };
            socket.begin_message();
            socket
        }

        fn begin_message(&mut self) {
            let length = u32::try_from(BYTES).unwrap().to_be_bytes();
            self.receive(&[[0x82, 0xFF, 0, 0].as_slice(), &[0; 2], &length, &[0; 4]].concat());
        }

        fn receive(&mut self, bytes: &[u8]) {
            self.intake.note_received();
            self.guard.inspect(bytes).unwrap();
        }

        /// Waits for bytes for so long. Returns whether the message is too slow.
        async fn is_too_slow_after(&mut self, seconds: u64) -> bool {
            let mut cx = Context::from_waker(Waker::noop());
            if self.arrival.poll_too_slow(&self.guard, &mut cx).is_ready() {
                return true;
            }
            tokio::time::advance(Duration::from_secs(seconds)).await;
            self.arrival.end_wait(&self.intake);
            self.arrival.poll_too_slow(&self.guard, &mut cx).is_ready()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_of_which_nothing_arrives_is_too_slow() {
        let mut socket = Socket::new();
        assert!(!socket.is_too_slow_after(9).await);
        assert!(socket.is_too_slow_after(1).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_arrives_in_single_bytes_is_too_slow() {
        let mut socket = Socket::new();
        let mut seconds = 0;
        while !socket.is_too_slow_after(1).await {
            seconds += 1;
            socket.receive(&[0]);
        }
        assert_eq!(seconds, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_arrive_at_the_least_rate_are_not_too_slow() {
        let mut socket = Socket::new();
        for _ in 0..3 {
            for _ in 0..BYTES / 10_000 {
                assert!(!socket.is_too_slow_after(1).await);
                socket.receive(&[0; 10_000]);
            }
            assert!(!socket.is_too_slow_after(60).await, "between two messages");
            socket.begin_message();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_the_session_pauses_the_reader_does_not_count() {
        let mut socket = Socket::new();
        assert!(!socket.is_too_slow_after(9).await);
        socket.intake.pause(true);
        tokio::time::advance(Duration::from_secs(60)).await;
        socket.intake.pause(false);
        socket.arrival.end_wait(&socket.intake);
        assert!(!socket.is_too_slow_after(0).await);
        assert!(socket.is_too_slow_after(1).await);
    }
}
