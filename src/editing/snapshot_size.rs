//! The size of a snapshot: what loading it costs.

use super::{LoadError, Replica, loader::off_thread};
use crate::{
    store::{Snapshot, SnapshotState},
    wire::yjs::Outline,
};

/// Cost model: a struct costs as much as this many bytes of text. So a document of 2,000 structs is large: if each is compared
/// with every other one, that takes a tenth of a second.
const STRUCT_COST: usize = 32;

/// The size of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct SnapshotSize {
    pub(super) bytes: usize,
    pub(super) structs: usize,
    values: usize,
}

impl SnapshotSize {
    /// Returns the size of a snapshot of which only the bytes are known.
    pub(super) fn of_bytes(bytes: usize) -> Self {
        Self { bytes, structs: 0, values: 0 }
    }

    /// The cost of loading it, in bytes.
    pub(super) fn cost(self) -> usize {
        self.bytes.saturating_add(self.structs.saturating_mul(STRUCT_COST))
    }

    /// The memory that loading it takes, in bytes: the encoded state and the replica.
    pub(super) fn memory(self) -> usize {
        self.bytes.saturating_add(Replica::memory_of(self.bytes, self.structs, self.values))
    }

    /// Counts the structs and values of a snapshot, which is returned.
    ///
    /// # Errors
    /// [`LoadError::Aborted`].
    pub(super) async fn measure(snapshot: Snapshot) -> Result<(Snapshot, Self), LoadError> {
        let bytes = match &snapshot.state {
            SnapshotState::Yjs(state) => state.len(),
            SnapshotState::Plain(text) => {
                let size = Self::of_bytes(text.len());
                return Ok((snapshot, size));
            }
        };
        off_thread(bytes, move || {
            let outline = match &snapshot.state {
                // One that cannot be read is refused when it is loaded.
                SnapshotState::Yjs(state) => Outline::read(state, usize::MAX).unwrap_or_default(),
                SnapshotState::Plain(_) => Outline::default(),
            };
            let (structs, values) = (outline.struct_count(), outline.values());
            (snapshot, Self { bytes, structs, values })
        })
        .await
    }
}
