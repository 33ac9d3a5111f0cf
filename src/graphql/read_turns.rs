//! The turns of operations that read from the database. The store has few connections for reading and serves requests in
//! the order of arrival, so a user with a thousand queries would delay all others.

use std::{num::NonZero, time::Duration};

use async_graphql::Context;

use super::{
    ApiError,
    caller::{api, caller},
};
use crate::{
    domain::Party,
    editing::LoadError,
    fair_queue::{FairPermit, FairQueue, QueueBounds},
};

/// The longest time for which a read waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The most reads that wait, and of them those of one party. A page waits for some dozens.
const MAX_WAITING: usize = 65_536;
const MAX_WAITING_OF_PARTY: usize = 8_192;

/// The reads of all operations: users and networks take turns.
pub struct ReadTurns(FairQueue<Party>);

impl ReadTurns {
    /// Returns turns for a store with so many connections for reading. One party has at most half of them.
    #[must_use]
    pub fn new(readers: u32) -> Self {
        let places = usize::try_from(readers).unwrap_or(usize::MAX).max(1);
        Self(FairQueue::new(QueueBounds {
            places,
            share: NonZero::new(places / 2).map_or(1, NonZero::get),
            waiting_of_key: MAX_WAITING_OF_PARTY,
            waiting: MAX_WAITING,
        }))
    }

    /// Waits for a turn of a party.
    ///
    /// # Errors
    /// [`LoadError::Busy`] if it had none in time, or too many of its reads wait.
    pub(super) async fn acquire(&self, party: Party) -> Result<FairPermit<Party>, LoadError> {
        self.0.acquire_within(party, MAX_WAIT).await.map_err(|_refused| LoadError::Busy)
    }
}

/// Reads from the database when it is the turn of the caller of `ctx`.
///
/// # Errors
/// Reading failed, or the caller had no turn in time.
pub(super) async fn read<T, E>(
    ctx: &Context<'_>,
    reading: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    let _turn = api(ctx)?.reads.acquire(caller(ctx).party()).await?;
    Ok(reading.await?)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all, poll};

    use super::*;
    use crate::domain::UserId;

    #[tokio::test]
    async fn a_thousand_questions_of_one_user_leave_places_for_another() {
        let turns = ReadTurns::new(4);
        let [mallory, alice] = [(); 2].map(|()| Party::User(UserId::new()));
        let mut flood = Box::pin(join_all((0..1_000).map(|_| turns.acquire(mallory))));
        assert!(poll!(&mut flood).is_pending());
        assert!(turns.acquire(alice).now_or_never().is_some());
    }

    #[tokio::test]
    async fn too_many_reads_of_one_user_are_refused_and_those_of_another_are_not() {
        let turns = ReadTurns::new(2);
        let [mallory, alice] = [(); 2].map(|()| Party::User(UserId::new()));
        // One has a place.
        let mut flood: Vec<_> =
            (0..=MAX_WAITING_OF_PARTY).map(|_| Box::pin(turns.acquire(mallory))).collect();
        let mut held = Vec::new();
        for read in &mut flood {
            held.extend(read.now_or_never().and_then(Result::ok));
        }
        let refused = turns.acquire(mallory).now_or_never();
        assert!(matches!(refused, Some(Err(LoadError::Busy))));
        assert!(turns.acquire(alice).now_or_never().is_some_and(|turn| turn.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_does_not_wait_for_ever() {
        let turns = ReadTurns::new(1);
        let _held = turns.acquire(Party::Node).await.unwrap();
        assert!(matches!(turns.acquire(Party::Stranger(None)).await, Err(LoadError::Busy)));
    }
}
