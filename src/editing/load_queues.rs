//! The queues in which those who load large documents wait for their turn.
//!
//! A few large documents are loaded at a time, since loading takes several times the size of a document. Those who wait for
//! that take turns ([`FairQueue`]). Small documents do not wait.

use std::time::Duration;

use tokio::time::timeout;

use super::{LoadError, document_load::LoadClass, loader::DocumentLoader};
use crate::{
    domain::Party,
    fair_queue::{FairPermit, FairQueue, QueueBounds},
};

/// The most large documents that wait to be loaded, and of them those of one party.
const MAX_WAITING: usize = 1_024;
const MAX_WAITING_OF_PARTY: usize = 256;

/// How long a restoration, a comparison, or one who takes changes back, waits for its turn to load an earlier version.
const EARLIER_TURN_WITHIN: Duration = Duration::from_secs(30);

/// Of how many places one party may hold one.
const PLACES_PER_SHARE: usize = 4;

/// Returns the queue of work on large texts, of which `at_once` pieces run at the same time. A party holds a quarter of the
/// places: such work may take seconds, and cannot be interrupted for one who comes later.
pub(crate) fn large_texts_queue(at_once: usize) -> FairQueue<Party> {
    FairQueue::new(QueueBounds {
        places: at_once,
        share: at_once / PLACES_PER_SHARE,
        waiting_of_key: MAX_WAITING_OF_PARTY,
        waiting: MAX_WAITING,
    })
}

/// The queues of a loader.
#[derive(Clone)]
pub(super) struct LoadQueues {
    medium: FairQueue<Party>,
    heavy: FairQueue<Party>,
    /// One large earlier version at a time: who has one waits for the memory of another version.
    earlier: FairQueue<Party>,
    /// Comparisons of small versions, which may take as long as those of large ones.
    small_comparisons: FairQueue<Party>,
    /// Searches for the authors of a document: each reads its whole log.
    authors: FairQueue<Party>,
    /// Counts of history entries.
    counts: FairQueue<Party>,
}

impl LoadQueues {
    /// Returns queues with `at_once` places each. That of large earlier versions has one.
    pub(super) fn new(at_once: usize) -> Self {
        let [medium, heavy, small_comparisons, authors, counts] =
            [(); 5].map(|()| large_texts_queue(at_once));
        let earlier = large_texts_queue(1);
        Self { medium, heavy, earlier, small_comparisons, authors, counts }
    }
}

impl DocumentLoader {
    /// Returns the places for documents of a class. Small ones need none.
    pub(super) fn places(&self, class: LoadClass) -> &FairQueue<Party> {
        match class {
            LoadClass::Small | LoadClass::Medium => &self.queues().medium,
            LoadClass::Heavy => &self.queues().heavy,
        }
    }

    /// Returns the places for searches of authors.
    pub(super) fn authors(&self) -> &FairQueue<Party> {
        &self.queues().authors
    }

    /// Returns the places for counts of history entries.
    pub(super) fn counts(&self) -> &FairQueue<Party> {
        &self.queues().counts
    }

    /// Waits for the turn of a party to hold the memory of an earlier version while it waits for that of another.
    ///
    /// # Errors
    /// [`LoadError::Busy`] after 30 s, or if too many wait.
    pub(super) async fn turn_to_earlier(
        &self,
        party: Party,
    ) -> Result<FairPermit<Party>, LoadError> {
        turn(&self.queues().earlier, party).await
    }

    /// Waits for the turn of a party to compare small versions.
    ///
    /// # Errors
    /// [`LoadError::Busy`] after 30 s, or if too many wait.
    pub(super) async fn turn_to_compare_small(
        &self,
        party: Party,
    ) -> Result<FairPermit<Party>, LoadError> {
        turn(&self.queues().small_comparisons, party).await
    }
}

async fn turn(queue: &FairQueue<Party>, party: Party) -> Result<FairPermit<Party>, LoadError> {
    let turn = timeout(EARLIER_TURN_WITHIN, queue.acquire(party)).await;
    turn.map_err(|_elapsed| LoadError::Busy)?.map_err(|_full| LoadError::Busy)
}
