//! Compares two versions of a document.
//!
//! Both are in memory at the same time. So only one large version is compared or restored at a time: it keeps its memory while it
//! waits for that of the other one. Small versions have places of their own, since comparing them may take as long.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    ChangeCounts, Difference, HistoryError, LoadError, Replica,
    loader::{DocumentLoader, LoadedReplica},
    stoppable::{Unfinished, run_stoppable},
};
use crate::{
    domain::{Budget, CompareUntil, Content, DocumentId, Exhausted, Party, Version},
    memory::LoadMemory,
};

/// The most steps of a comparison: elements that are compared.
const MAX_STEPS: u64 = 50_000_000;

/// The time after which a comparison becomes coarser.
const COMPARE_WITHIN: Duration = Duration::from_secs(3);

/// Two versions to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VersionPair {
    pub(crate) document: DocumentId,
    /// 0 for the document before it was created.
    pub(crate) from: Version,
    pub(crate) to: Version,
}

/// What differs between two versions.
#[derive(Debug)]
pub struct VersionDifference {
    /// A JSON object with the root types that differ, by name.
    pub json: Content,
    /// How much differs.
    pub counts: ChangeCounts,
}

impl DocumentLoader {
    /// Compares two versions of a document for a party.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub(crate) async fn compare(
        &self,
        pair: VersionPair,
        party: Party,
    ) -> Result<VersionDifference, HistoryError> {
        let turn = self.turn_to_compare_small(party).await?;
        let (earlier, later, turn) = match self.small_versions(pair, party).await? {
            Some([earlier, later]) => (earlier, later, turn),
            None => {
                drop(turn);
                let turn = self.turn_to_earlier(party).await?;
                let earlier = self.compared(pair.document, pair.from, party).await?;
                (earlier, self.compared(pair.document, pair.to, party).await?, turn)
            }
        };
        let work = move |budget: &Budget| {
            let difference = difference(earlier, later, budget);
            // The thread may outlive the wait for it.
            drop(turn);
            difference
        };
        let done = run_stoppable(Budget::new(MAX_STEPS), self.bounds().within, work).await;
        let done = done.map_err(|unfinished| match unfinished {
            Unfinished::Late => HistoryError::TooMuchWork(Exhausted::Stopped),
            Unfinished::Panicked => LoadError::Aborted.into(),
        })?;
        Ok(done?)
    }

    /// Loads two versions that are both small. `None` if one of them is not.
    async fn small_versions(
        &self,
        VersionPair { document, from, to }: VersionPair,
        party: Party,
    ) -> Result<Option<[ComparedVersion; 2]>, LoadError> {
        let Some(later) = self.small_version(document, to, party).await? else {
            return Ok(None);
        };
        let earlier = self.small_version(document, from, party).await?;
        Ok(earlier.map(|earlier| [earlier, later]))
    }

    async fn small_version(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<Option<ComparedVersion>, LoadError> {
        if version < Version::FIRST {
            return Ok(Some(ComparedVersion::nothing()));
        }
        Ok(self.replica_if_small(document, version, party).await?.map(Into::into))
    }

    /// Loads a version to be compared. Before the first version there is no content.
    async fn compared(
        &self,
        document: DocumentId,
        version: Version,
        party: Party,
    ) -> Result<ComparedVersion, LoadError> {
        if version < Version::FIRST {
            return Ok(ComparedVersion::nothing());
        }
        Ok(self.replica(document, version, party).await?.into())
    }
}

struct ComparedVersion {
    replica: Replica,
    memory: Option<LoadMemory>,
}

impl ComparedVersion {
    fn nothing() -> Self {
        Self { replica: Replica::of(""), memory: None }
    }
}

impl From<LoadedReplica> for ComparedVersion {
    fn from(LoadedReplica { replica, memory, .. }: LoadedReplica) -> Self {
        Self { replica, memory }
    }
}

/// Compares two versions, and then frees their memory.
fn difference(
    earlier: ComparedVersion,
    later: ComparedVersion,
    budget: &Budget,
) -> Result<VersionDifference, Exhausted> {
    let deadline = (Instant::now() + COMPARE_WITHIN).into_std();
    let until = CompareUntil { deadline, budget: budget.clone() };
    let difference = earlier.replica.difference_to(&later.replica, &until);
    drop((earlier.replica, later.replica));
    let Difference { roots, counts } = difference?;
    let json = Content::from(&*Value::Object(roots).to_string());
    // The JSON takes about as much as the versions did.
    drop((earlier.memory, later.memory));
    Ok(VersionDifference { json, counts })
}
