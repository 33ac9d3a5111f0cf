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

/// The reads of all operations: users and networks take turns.
pub struct ReadTurns(FairQueue<Party>);

impl ReadTurns {
    /// Returns turns for a store with so many connections for reading. One party has at most half of them. The operations in
    /// flight bound the number of reads that wait.
    #[must_use]
    pub fn new(readers: u32) -> Self {
        let places = usize::try_from(readers).unwrap_or(usize::MAX).max(1);
        Self(FairQueue::new(QueueBounds {
            places,
            share: NonZero::new(places / 2).map_or(1, NonZero::get),
            waiting_of_key: usize::MAX,
            waiting: usize::MAX,
        }))
    }

    /// Waits for a turn of a party.
    ///
    /// # Errors
    /// [`LoadError::Busy`] if it had none in time.
    pub(super) async fn acquire(&self, party: Party) -> Result<FairPermit<Party>, LoadError> {
        self.0.acquire_within(party, MAX_WAIT).await.map_err(|_too_late| LoadError::Busy)
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

    #[tokio::test(start_paused = true)]
    async fn a_read_does_not_wait_for_ever() {
        let turns = ReadTurns::new(1);
        let _held = turns.acquire(Party::Node).await.unwrap();
        assert!(matches!(turns.acquire(Party::Stranger(None)).await, Err(LoadError::Busy)));
    }
}
