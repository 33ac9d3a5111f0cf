//! Stores snapshots in the background.
//!
//! A snapshot only shortens the opening of a document: the log has every change. So nothing waits for it, and when the
//! database is slow, snapshots are left out. Those for whom they are stored take turns, and each has a share of the bytes that
//! may wait, so that the snapshots of one user do not leave out those of others.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    domain::Party,
    fair_queue::{FairQueue, QueueBounds},
    store::{NewSnapshot, Store},
};

/// The number of snapshots that are stored at the same time. Each uses a connection for writing.
const MAX_CONCURRENT: usize = 2;

/// The most bytes of snapshots that wait or are being stored, in units of [`UNIT`]. One larger snapshot is stored alone.
const MAX_UNITS: u32 = 2_048;

/// The same of one payer. One larger snapshot of a payer may wait.
const MAX_UNITS_OF_PAYER: u32 = 256;

/// The unit in which waiting bytes are counted.
const UNIT: usize = 64 * 1024;

/// Stores the snapshots of all rooms of a node. Clones are the same writer.
#[derive(Clone)]
pub(crate) struct SnapshotWriter {
    /// The bytes that may wait.
    waiting: Arc<Semaphore>,
    /// The units of each payer with snapshots.
    of_payers: Arc<Mutex<HashMap<Party, u32>>>,
    /// The waiting bytes bound the number that wait.
    turns: FairQueue<Party>,
}

/// The bytes of a snapshot, which count until this is dropped.
struct WaitingBytes {
    writer: SnapshotWriter,
    payer: Party,
    units: u32,
    _of_node: OwnedSemaphorePermit,
}

impl SnapshotWriter {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(MAX_UNITS as usize)),
            of_payers: Arc::default(),
            turns: FairQueue::new(QueueBounds {
                places: MAX_CONCURRENT,
                share: MAX_CONCURRENT / 2,
                waiting_of_key: usize::MAX,
                waiting: usize::MAX,
            }),
        }
    }

    /// Stores a snapshot without making the caller wait. Leaves it out if too many bytes wait already.
    pub(crate) fn store(&self, store: Store, snapshot: NewSnapshot) {
        let NewSnapshot { payer, document, version, .. } = snapshot;
        let bytes = snapshot.state.len() + snapshot.body_text.as_ref().map_or(0, String::len);
        let Some(waiting) = self.count(payer, bytes) else {
            return tracing::warn!(
                document.id = %document, %version,
                "a snapshot is left out, because too many wait for the database"
            );
        };
        let turns = self.turns.clone();
        // It ends by itself: the store limits the time of every write.
        tokio::spawn(async move {
            let _turn = turns.acquire(payer).await;
            if let Err(error) = store.store_snapshot(snapshot).await {
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

    /// Counts the bytes of a snapshot. None if too many wait.
    fn count(&self, payer: Party, bytes: usize) -> Option<WaitingBytes> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(MAX_UNITS).clamp(1, MAX_UNITS);
        let mut of_payers = self.of_payers.lock();
        let of_payer = of_payers.get(&payer).copied().unwrap_or_default();
        if of_payer > 0 && of_payer + units > MAX_UNITS_OF_PAYER {
            return None;
        }
        let of_node = Arc::clone(&self.waiting).try_acquire_many_owned(units).ok()?;
        of_payers.insert(payer, of_payer + units);
        Some(WaitingBytes { writer: self.clone(), payer, units, _of_node: of_node })
    }
}

impl Drop for WaitingBytes {
    fn drop(&mut self) {
        let mut of_payers = self.writer.of_payers.lock();
        if let Some(units) = of_payers.get_mut(&self.payer) {
            *units -= self.units;
            if *units == 0 {
                of_payers.remove(&self.payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::UserId;

    fn parties() -> [Party; 2] {
        [(); 2].map(|()| Party::User(UserId::new()))
    }

    #[test]
    fn the_snapshots_of_one_user_do_not_leave_out_those_of_another() {
        let (writer, [mallory, alice]) = (SnapshotWriter::new(), parties());
        let large = 16 * UNIT;
        let waiting: Vec<_> = (0..1_000).map_while(|_| writer.count(mallory, large)).collect();
        assert_eq!(waiting.len(), 16);
        assert!(writer.count(alice, large).is_some());
        drop(waiting);
        assert!(writer.of_payers.lock().is_empty());
        assert!(writer.finish().now_or_never().is_some());
    }

    #[test]
    fn a_user_may_have_one_snapshot_of_any_size() {
        let (writer, [mallory, alice]) = (SnapshotWriter::new(), parties());
        let huge = writer.count(mallory, usize::MAX).unwrap();
        assert!(writer.count(mallory, 1).is_none());
        drop(huge);
        let _larger_than_a_share = writer.count(mallory, 512 * UNIT).unwrap();
        assert!(writer.count(mallory, 1).is_none());
        assert!(writer.count(alice, 512 * UNIT).is_some());
    }
}
