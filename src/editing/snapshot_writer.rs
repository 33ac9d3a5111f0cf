//! Stores snapshots in the background.
//!
//! A snapshot only shortens the opening of a document: the log has every change. So nothing waits for it, and when the
//! database is slow, snapshots are left out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;

use crate::{
    domain::{DocumentId, Version},
    store::Store,
};

/// The number of snapshots that are stored at the same time. Each uses a connection for writing.
const MAX_CONCURRENT: usize = 2;

/// The most bytes of snapshots that wait or are being stored, in units of [`UNIT`]. One larger snapshot is stored alone.
const MAX_UNITS: u32 = 1024;

/// The unit in which waiting bytes are counted.
const UNIT: usize = 64 * 1024;

/// A snapshot to be stored.
pub(crate) struct NewSnapshot {
    pub(crate) document: DocumentId,
    pub(crate) version: Version,
    /// When the version was stored.
    pub(crate) at: DateTime<Utc>,
    /// The state as one Yjs v1 update.
    pub(crate) state: Vec<u8>,
    /// The number of versions between two snapshots that are kept.
    pub(crate) every: u32,
}

/// Stores the snapshots of all rooms of a node. Clones are the same writer.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotWriter {
    /// The bytes that may wait.
    waiting: Arc<Semaphore>,
    storing: Arc<Semaphore>,
}

impl SnapshotWriter {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(MAX_UNITS as usize)),
            storing: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }

    /// Stores a snapshot without making the caller wait. Leaves it out if too many bytes wait already.
    pub(crate) fn store(&self, store: Store, snapshot: NewSnapshot) {
        let NewSnapshot { document, version, at, state, every } = snapshot;
        let units = u32::try_from(state.len() / UNIT).unwrap_or(MAX_UNITS).clamp(1, MAX_UNITS);
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_many_owned(units) else {
            return tracing::warn!(
                document.id = %document, %version,
                "a snapshot is left out, because too many wait for the database"
            );
        };
        let storing = Arc::clone(&self.storing);
        // It ends by itself: the store limits the time of every write.
        tokio::spawn(async move {
            let _turn = storing.acquire_owned().await;
            if let Err(error) =
                store.store_snapshot(document, version, Some(at), state, every).await
            {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, document.id = %document, "could not store a snapshot");
            }
            drop(waiting);
        });
    }

    /// Waits until no snapshot waits or is being stored.
    pub(crate) async fn finish(&self) {
        let _all = self.waiting.acquire_many(MAX_UNITS).await;
    }
}
