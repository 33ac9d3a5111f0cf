//! The content of an earlier version, in memory until it has been restored.

use std::fmt;

use parking_lot::Mutex;

use super::{DocumentBody, MergeBounds, Replica, RestoreError, Restored, loader::LoadedReplica};
use crate::{domain::Party, fair_queue::FairPermit, memory::LoadMemory};

/// The content of a document at an earlier version. Its memory is counted for as long as it exists.
pub struct EarlierContent {
    replica: Mutex<Replica>,
    weight: usize,
    _memory: Option<LoadMemory>,
    /// The turn to restore a large document. `None` for a small one.
    _place: Option<FairPermit<Party>>,
}

impl EarlierContent {
    /// Keeps what was loaded, and the turn of a large document for as long as it is large.
    pub(super) fn new(loaded: LoadedReplica, place: Option<FairPermit<Party>>) -> Self {
        let LoadedReplica { replica, memory, .. } = loaded;
        let weight = replica.weight();
        let place = place.filter(|_place| memory.is_some());
        Self { replica: Mutex::new(replica), weight, _memory: memory, _place: place }
    }

    /// The size of its Yjs state, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Gives a replica of the same document this content.
    ///
    /// # Errors
    /// As [`Replica::restore`].
    pub(super) fn restore(
        &self,
        present: Replica,
        bounds: &MergeBounds,
    ) -> (Option<Replica>, Result<Option<Restored>, RestoreError>) {
        present.restore(&self.replica.lock(), bounds)
    }

    /// Returns the name of the root type that is the body of the document at this version.
    #[must_use]
    pub fn body_root(&self) -> String {
        self.replica.lock().body_root()
    }

    /// Gives a root type of this version new content, and returns what that changes. `None` if it has that content already.
    ///
    /// # Errors
    /// As [`Replica::replace_body`].
    pub(super) fn replace_body(
        self,
        body: &DocumentBody,
        bounds: &MergeBounds,
    ) -> Result<Option<Restored>, RestoreError> {
        self.replica.into_inner().replace_body(body, bounds).1
    }
}

impl fmt::Debug for EarlierContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlierContent").field("weight", &self.weight).finish_non_exhaustive()
    }
}
