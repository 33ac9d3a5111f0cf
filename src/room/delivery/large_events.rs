//! Large events, which are rendered on other threads.
//!
//! Such a job is the turn of one user: of the subscriber who is sent the event alone, or of any of the first subscribers of
//! its audience. Its bytes count in the memory of answers, for the node once and for each user who is sent them.

use std::{convert::identity, fmt, time::Duration};

use bytes::Bytes;
use futures_util::future::select_ok;
use tokio::time::timeout;

use super::render::{Render, RenderError, SharedEvent};
use crate::{
    domain::{Party, UserId},
    editing::loader::off_thread,
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    memory::{HeldBytes, MemoryAccount, MemoryExhausted, Reservation},
};

/// The large events that are rendered at the same time. One takes up to tens of milliseconds.
const RENDERED_AT_ONCE: usize = 4;

/// Of these, the most of one user.
const RENDERED_OF_USER: usize = 2;

/// How long an event waits for its turn, and how long for memory.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Renders the large events of all rooms. Cheap to clone.
#[derive(Clone)]
pub(in crate::room) struct LargeEvents {
    turns: FairQueue<Party>,
    memory: MemoryAccount,
}

/// A large event to be rendered.
pub(in crate::room) struct LargeEvent {
    pub(in crate::room) renderer: Box<dyn Render>,
    pub(in crate::room) event: SharedEvent,
    /// The estimated bytes.
    pub(in crate::room) bytes: usize,
}

impl fmt::Debug for LargeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargeEvent").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl LargeEvents {
    /// Returns a renderer that counts in `memory`.
    pub(in crate::room) fn new(memory: MemoryAccount) -> Self {
        let turns = FairQueue::new(QueueBounds {
            places: RENDERED_AT_ONCE,
            share: RENDERED_OF_USER,
            // The audiences bound the number that wait.
            waiting_of_key: usize::MAX,
            waiting: usize::MAX,
        });
        Self { turns, memory }
    }

    /// Renders an event in the turn of any of `users`, of whom there is at least one. It counts for the node until the last copy
    /// is dropped.
    ///
    /// # Errors
    /// [`RenderError`].
    pub(in crate::room) async fn render(
        &self,
        users: Vec<UserId>,
        event: LargeEvent,
    ) -> Result<Bytes, RenderError> {
        let mut reservation = self.memory.open(Party::Node);
        let busy = |_exhausted: MemoryExhausted| RenderError::Busy;
        // Nobody waits for memory with a turn.
        reservation.share_within(event.bytes, MAX_WAIT).await.map_err(busy)?;
        let turn = self.turn_of_any(users).await?;
        let LargeEvent { mut renderer, event, bytes } = event;
        let render = move || {
            // The turn ends with the work, even if nobody waits for it any more.
            let _turn = turn;
            renderer.render(&event)
        };
        let rendered = off_thread(bytes, render).await;
        let rendered = rendered.map_err(|error| RenderError::Failed(error.to_string()))??;
        // It holds memory already, so it does not wait for more.
        reservation.share_within(rendered.len(), Duration::ZERO).await.map_err(busy)?;
        Ok(held(rendered, reservation))
    }

    /// Renders an event for one user, as soon as their memory allows it.
    ///
    /// # Errors
    /// [`RenderError`].
    pub(in crate::room) async fn render_for(
        &self,
        user: UserId,
        event: LargeEvent,
    ) -> Result<Bytes, RenderError> {
        let mut claim = self.memory.open(Party::User(user));
        let busy = |_exhausted: MemoryExhausted| RenderError::Busy;
        claim.grow_within(self.claimed(event.bytes), 0, MAX_WAIT).await.map_err(busy)?;
        let rendered = self.render(vec![user], event).await?;
        claim.grow_within(self.claimed(rendered.len()), 0, MAX_WAIT).await.map_err(busy)?;
        Ok(held(rendered, claim))
    }

    /// Returns a rendered event for a user. It counts for them until the last frame around it is dropped.
    ///
    /// # Errors
    /// [`MemoryExhausted`].
    pub(in crate::room) fn claim_for(
        &self,
        user: UserId,
        rendered: &Bytes,
    ) -> Result<Bytes, MemoryExhausted> {
        let mut claim = self.memory.open(Party::User(user));
        claim.claim(self.claimed(rendered.len()))?;
        Ok(held(rendered.clone(), claim))
    }

    /// Returns how many bytes a user claims for an event. One that is larger than all they may have is sent alone.
    fn claimed(&self, bytes: usize) -> usize {
        bytes.min(self.memory.bounds().of_user)
    }

    async fn turn_of_any(&self, users: Vec<UserId>) -> Result<FairPermit<Party>, RenderError> {
        let turns = users.into_iter().map(|user| Box::pin(self.turns.acquire(Party::User(user))));
        match timeout(MAX_WAIT, select_ok(turns)).await {
            Ok(Ok((turn, _others))) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(RenderError::Busy),
        }
    }
}

/// Returns the bytes, which are not copied, with a reservation that ends with the last of them.
fn held(bytes: Bytes, reservation: Reservation) -> Bytes {
    HeldBytes::new(bytes, Some(reservation)).encode(identity)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::{
        domain::{Event, examples::title_change},
        memory::{MemoryBounds, MemoryUse},
        metrics::Metrics,
        outbox::OutboxFrame,
        room::{LargeFields, SeatEnd},
        wire::graphql_ws::OperationId,
    };

    const BYTES: usize = 100_000;

    /// Renders events of this many bytes, on another thread than the test.
    struct Long(usize, thread::ThreadId);

    impl Render for Long {
        fn render(&mut self, _: &SharedEvent) -> Result<Bytes, RenderError> {
            assert_ne!(thread::current().id(), self.1);
            Ok(vec![b'x'; self.0].into())
        }

        fn another(&self) -> Box<dyn Render> {
            Box::new(Self(self.0, self.1))
        }

        fn large_fields(&self) -> LargeFields {
            LargeFields::default()
        }

        fn frame(&self, rendered: &Bytes, _: &OperationId) -> Bytes {
            rendered.clone()
        }

        fn frame_around(&self, rendered: Bytes, _: &OperationId) -> OutboxFrame {
            rendered.into()
        }

        fn ending(&self, _: &OperationId, _: SeatEnd) -> Bytes {
            Bytes::new()
        }
    }

    /// An event that is estimated as [`BYTES`] long.
    fn event(rendered: usize) -> LargeEvent {
        LargeEvent {
            renderer: Box::new(Long(rendered, thread::current().id())),
            event: SharedEvent::new(Event::Changed(Arc::new(title_change(2)))),
            bytes: BYTES,
        }
    }

    fn events(of_user: usize, of_node: usize) -> LargeEvents {
        let bounds = MemoryBounds { of_user, of_node };
        LargeEvents::new(MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new()))
    }

    #[tokio::test]
    async fn an_event_counts_once_for_the_node_and_for_each_user_until_it_is_dropped() {
        let events = events(2 * BYTES, 10 * BYTES);
        let [ana, bo] = [(); 2].map(|()| UserId::new());
        // Longer than estimated.
        let rendered = events.render(vec![ana, bo], event(2 * BYTES)).await.unwrap();
        let copies = [ana, bo].map(|user| events.claim_for(user, &rendered).unwrap());
        assert!(copies.iter().all(|copy| copy.as_ptr() == rendered.as_ptr()), "not copied");
        assert!(events.claim_for(ana, &rendered).is_err(), "their memory");
        let mut rest = events.memory.open(Party::Node);
        assert!(rest.share_within(3 * BYTES + 1, Duration::ZERO).await.is_err());
        rest.share_within(3 * BYTES, Duration::ZERO).await.unwrap();
        drop((rendered, copies));
        rest.share_within(5 * BYTES, Duration::ZERO).await.unwrap();
        events.memory.open(Party::User(ana)).claim(2 * BYTES).unwrap();
    }

    #[tokio::test]
    async fn an_event_for_one_user_waits_for_their_memory() {
        let events = events(BYTES, 5 * BYTES);
        let ana = UserId::new();
        let first = events.render_for(ana, event(BYTES)).await.unwrap();
        {
            let mut second = Box::pin(events.render_for(ana, event(BYTES)));
            assert!((&mut second).now_or_never().is_none());
            assert!(
                events.render_for(UserId::new(), event(BYTES)).await.is_ok(),
                "others do not wait"
            );
            drop(first);
            assert_eq!(second.await.unwrap().len(), BYTES);
        }
        assert_eq!(events.memory.open(Party::User(ana)).claim(BYTES), Ok(()));
    }

    #[tokio::test]
    async fn an_event_larger_than_a_user_or_half_the_node_may_have_is_sent_alone() {
        let events = events(BYTES / 3, BYTES);
        let ana = UserId::new();
        let first = events.render_for(ana, event(BYTES)).await.unwrap();
        assert_eq!(first.len(), BYTES);
        assert!(events.claim_for(ana, &Bytes::from_static(b"more")).is_err());
        drop(first);
        assert!(events.claim_for(ana, &Bytes::from_static(b"more")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_without_memory_or_turn_in_time_is_refused() {
        let full = events(BYTES, 2 * BYTES);
        let mut shared = full.memory.open(Party::Node);
        shared.share_within(1, Duration::ZERO).await.unwrap();
        assert_eq!(full.render(vec![UserId::new()], event(9)).await.err(), Some(RenderError::Busy));
        let [ana, bo] = [(); 2].map(|()| UserId::new());
        let events = events(BYTES, 2 * BYTES);
        let mut other = events.memory.open(Party::User(ana));
        other.claim(1).unwrap();
        assert_eq!(events.render_for(ana, event(9)).await.err(), Some(RenderError::Busy));
        drop(other);

        let mut turns = vec![];
        for _ in 0..RENDERED_OF_USER {
            turns.push(events.turn_of_any(vec![ana]).await.unwrap());
        }
        assert_eq!(events.render(vec![ana], event(9)).await.err(), Some(RenderError::Busy));
        // The turn of any subscriber is enough.
        assert!(events.render(vec![ana, bo], event(9)).await.is_ok());
    }
}
