//! The turns of parties at the connections of the store.
//!
//! There are few connections, and they serve statements in the order of arrival: a user with a thousand statements would
//! delay all others. So a party waits for its turn before it asks for a connection. No more writes have a turn than there
//! are connections for them. Group commits take no turn: with SQLite, where they share the connection, a commit waits for
//! one write at most.
//!
//! Invariant: a turn lasts as long as the statement that it was taken for, even if the caller goes away.

use std::{num::NonZero, sync::Arc, time::Duration};

use tokio::task_local;

use super::{Store, StoreError};
use crate::{
    domain::Party,
    fair_queue::{FairPermit, FairQueue, QueueBounds},
};

/// The longest time for which a read waits for its turn, and a write that nobody waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most reads that wait, and of them those of one party. A page waits for some dozens. The same for writes.
const MAX_WAITING: usize = 65_536;
const MAX_WAITING_OF_PARTY: usize = 8_192;

task_local! {
    static HELD: HeldTurn;
}

/// A turn. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct HeldTurn {
    _permit: Arc<FairPermit<Party>>,
}

impl HeldTurn {
    /// Returns the turn in which the present task runs, if it has one. A task that runs a statement for it takes it along.
    pub(super) fn current() -> Option<Self> {
        HELD.try_with(Self::clone).ok()
    }
}

/// The turns of one store. Clones are the same turns.
#[derive(Clone)]
pub(super) struct StoreTurns {
    reads: FairQueue<Party>,
    writes: FairQueue<Party>,
    write_within: Duration,
}

impl StoreTurns {
    /// Returns turns for these numbers of connections. A write waits for its turn for `write_within`.
    pub(super) fn new(readers: u32, writers: u32, write_within: Duration) -> Self {
        Self { reads: turns_of(readers), writes: turns_of(writers), write_within }
    }

    /// Runs `reading` when it is the turn of a party.
    ///
    /// # Errors
    /// [`StoreError::Busy`].
    pub(super) fn read<T>(
        &self,
        party: Party,
        reading: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        in_turn(&self.reads, party, PATIENCE, reading)
    }

    /// Runs `writing` when it is the turn of a party.
    ///
    /// # Errors
    /// [`StoreError::Busy`].
    pub(super) fn write<T>(
        &self,
        party: Party,
        writing: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        in_turn(&self.writes, party, self.write_within, writing)
    }

    /// As [`write`](Self::write), for a write that no user waits for: it waits for its turn for 30 s.
    ///
    /// # Errors
    /// [`StoreError::Busy`].
    pub(super) fn write_patiently<T>(
        &self,
        party: Party,
        writing: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        in_turn(&self.writes, party, PATIENCE, writing)
    }
}

impl Store {
    /// Runs reads of this store when it is the turn of a party. They must not wait for another turn.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the party had no turn within 30 s, or too many of its reads wait.
    ///
    /// # Cancel safety
    /// If the future is dropped, the turn lasts until the statement that is running has ended.
    pub fn read_for<T>(
        &self,
        party: Party,
        reading: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.turns.read(party, reading)
    }
}

/// Returns turns for this number of connections. One party has at most half of them.
fn turns_of(connections: u32) -> FairQueue<Party> {
    let places = usize::try_from(connections).unwrap_or(usize::MAX).max(1);
    FairQueue::new(QueueBounds {
        places,
        share: NonZero::new(places / 2).map_or(1, NonZero::get),
        waiting_of_key: MAX_WAITING_OF_PARTY,
        waiting: MAX_WAITING,
    })
}

/// Runs work in a turn. The work has an allocation of its own: a transaction takes up to 27 KB, and every future that may wait for one
/// would be as large, such as that of a mutation which only moves a cursor.
fn in_turn<T>(
    queue: &FairQueue<Party>,
    party: Party,
    within: Duration,
    work: impl Future<Output = T>,
) -> impl Future<Output = Result<T, StoreError>> {
    let work = Box::pin(work);
    async move {
        let permit = queue.acquire_within(party, within).await;
        let permit = permit.map_err(|_refused| StoreError::Busy)?;
        let held = HeldTurn { _permit: Arc::new(permit) };
        Ok(HELD.scope(held, work).await)
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
