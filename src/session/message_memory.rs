//! The memory of the large message that a socket is receiving.
//!
//! What a frame announces counts for the user at once, because the codec then allocates memory for all of it; what has arrived
//! counts for the node. Small messages count for nobody. They would cost more to count than they could use: a session has as many
//! as it may have operations in flight, and 1 MiB of those that wait.

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::intake::Intake;
use crate::{
    editing::loader::MAX_INLINE_BYTES,
    memory::{MemoryAccount, MemoryExhausted, Reservation},
    wire::{CloseReason, FrameGuard},
};

/// How long a socket is not read while there is no memory for its message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reserves memory before a reader reads on.
pub(super) struct MessageMemory {
    account: MemoryAccount,
    intake: Rc<Intake>,
    /// Waits until others have returned memory.
    waiting: Option<LocalBoxFuture<'static, GrownReservation>>,
}

/// A reservation, and whether it could grow.
type GrownReservation = (Reservation, Result<(), MemoryExhausted>);

impl MessageMemory {
    /// Creates the memory of a socket that has received nothing.
    pub(super) fn new(account: MemoryAccount, intake: Rc<Intake>) -> Self {
        Self { account, intake, waiting: None }
    }

    /// Is ready when there is memory for the message that `guard` is receiving.
    ///
    /// # Errors
    /// [`CloseReason::MemoryExhausted`]: there was none in time.
    pub(super) fn poll_reserved(
        &mut self,
        guard: &FrameGuard,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let (reservation, reserved) = ready!(waiting.poll_unpin(cx));
                self.waiting = None;
                self.intake.note_memory(false);
                self.intake.keep_arriving(reservation);
                if let Err(exhausted) = reserved {
                    tracing::info!(%exhausted, "a large message got no memory");
                    return Poll::Ready(Err(CloseReason::MemoryExhausted));
                }
            }
            let announced = to_usize(guard.message_bytes());
            if announced <= MAX_INLINE_BYTES {
                return Poll::Ready(Ok(()));
            }
            let reservation = self.intake.take_arriving();
            let open = || self.intake.payer().map(|payer| self.account.open(payer));
            // Before admission a message is small.
            let Some(mut reservation) = reservation.or_else(open) else {
                return Poll::Ready(Ok(()));
            };
            let arrived = announced.saturating_sub(to_usize(guard.announced()));
            let reserved = reservation.bytes();
            let missing = match arrived > reserved {
                // In steps, so that not every piece of a message is counted.
                true => (arrived - reserved).max(MAX_INLINE_BYTES).min(announced - reserved),
                false => 0,
            };
            if reservation.claim(announced).and_then(|()| reservation.grow(missing)).is_ok() {
                self.intake.keep_arriving(reservation);
                return Poll::Ready(Ok(()));
            }
            self.intake.note_memory(true);
            let waiting = async move {
                let reserved = reservation.grow_within(announced, missing, PATIENCE).await;
                (reservation, reserved)
            };
            self.waiting = Some(waiting.boxed_local());
        }
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        domain::Party,
        memory::{MemoryBounds, MemoryUse},
        metrics::Metrics,
        wire::FrameLimits,
    };

    const BOUND: usize = 300_000;

    fn account() -> MemoryAccount {
        let bounds = MemoryBounds { of_user: BOUND, of_node: 2 * BOUND };
        MemoryAccount::new(MemoryUse::Messages, bounds, Metrics::new())
    }

    /// Returns a guard that has received the head of a frame of this many bytes, and some of them.
    fn guard_with(length: u32, arrived: usize) -> FrameGuard {
        let mut guard = FrameGuard::new(FrameLimits { frame: BOUND, message: BOUND });
        let mut bytes = vec![0x82, 0xFF, 0, 0, 0, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.resize(bytes.len() + arrived, 0);
        guard.inspect(&bytes).unwrap();
        guard
    }

    fn poll(memory: &mut MessageMemory, guard: &FrameGuard) -> Poll<Result<(), CloseReason>> {
        memory.poll_reserved(guard, &mut Context::from_waker(Waker::noop()))
    }

    /// Returns the memory of a session whose large message waits, since the returned reservation leaves too little.
    fn waiting() -> (MessageMemory, FrameGuard, Rc<Intake>, Reservation) {
        let (account, intake) = (account(), Intake::new(Instant::now(), None));
        intake.admit(Party::Node);
        let mut other = account.open(Party::Node);
        other.grow(150_000).unwrap();
        let mut memory = MessageMemory::new(account, Rc::clone(&intake));
        let guard = guard_with(200_000, 70_000);
        assert_eq!(poll(&mut memory, &guard), Poll::Pending);
        (memory, guard, intake, other)
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_waits_for_memory_and_then_closes_its_session() {
        let (mut memory, guard, intake, _other) = waiting();
        tokio::time::advance(PATIENCE - Duration::from_secs(1)).await;
        assert_eq!(intake.received_at(), Instant::now(), "a client that is not read is not silent");
        assert_eq!(poll(&mut memory, &guard), Poll::Pending);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(poll(&mut memory, &guard), Poll::Ready(Err(CloseReason::MemoryExhausted)));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_reserved_for_what_has_arrived_and_goes_with_the_message() {
        let (mut memory, guard, intake, other) = waiting();
        drop(other);
        assert_eq!(poll(&mut memory, &guard), Poll::Ready(Ok(())));
        assert_eq!(poll(&mut memory, &guard_with(200_000, 180_000)), Poll::Ready(Ok(())));
        assert_eq!(intake.take_arriving().unwrap().bytes(), 180_000);
        let between = FrameGuard::new(FrameLimits { frame: BOUND, message: BOUND });
        assert_eq!(poll(&mut memory, &between), Poll::Ready(Ok(())));
        assert!(intake.take_arriving().is_none());
    }
}
