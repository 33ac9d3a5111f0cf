//! The memory of all replicas on a node and of the documents that are being loaded.
//!
//! A room needs its replica only while a user edits or synchronizes. So it keeps its members and subscribers without one, and
//! loads it again when it is needed. Replicas give way when the documents of one user take too much memory, or all documents
//! together: then one of the user whose documents take the most. Of a user's replicas, the one that has not been used for longest
//! gives way.
//!
//! A document that is being loaded counts from before it is read until it is a replica, or its text has been made. A load may
//! wait until replicas have given way and other loads have ended.
//!
//! Invariant: a load that waits for memory holds none, so no two wait for each other.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::MemoryBounds;
use crate::{
    domain::{DocumentId, Party},
    metrics::Metrics,
};

/// A replica is noted again once its size differs by more than this share from what was noted.
const NOTED_SHARE: usize = 16;

/// The memory of the replicas and loads of a node.
pub struct DocumentMemory {
    bounds: MemoryBounds,
    documents: Mutex<Documents>,
    /// Notified when memory is returned.
    returned: Notify,
    metrics: Metrics,
}

#[derive(Default)]
struct Documents {
    replicas: HashMap<DocumentId, HeldReplica>,
    /// Without the replicas that rooms were asked to give up. Only payers with others or loads.
    by_payer: HashMap<Party, usize>,
    /// The bytes of replicas and loads.
    total: usize,
    /// The bytes of the replicas that rooms were asked to give up.
    asked: usize,
    /// The bytes that waiting loads want.
    wanted: usize,
    /// Counts uses, to order them.
    uses: u64,
}

struct HeldReplica {
    bytes: usize,
    /// The user for whom it was loaded.
    payer: Party,
    /// The number of its last use.
    used: u64,
    /// Whether its room was asked to give it up since it was last used.
    is_asked: bool,
    give_way: Arc<Notify>,
}

impl HeldReplica {
    /// Asks its room to give it up. Returns for whom it counts, and its bytes.
    fn ask(&mut self) -> (Party, usize) {
        self.is_asked = true;
        self.give_way.notify_one();
        (self.payer, self.bytes)
    }
}

impl DocumentMemory {
    /// Returns the memory of a node without documents. A user is never refused for their bound: their replicas give way.
    #[must_use]
    pub fn new(bounds: MemoryBounds, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { bounds, documents: Mutex::default(), returned: Notify::new(), metrics })
    }

    /// Returns the memory of a load for `payer` that has read nothing yet.
    #[must_use]
    pub fn begin_load(self: &Arc<Self>, payer: Party) -> LoadMemory {
        LoadMemory { memory: Arc::clone(self), payer, bytes: 0 }
    }

    /// Returns the bytes that waiting loads want.
    #[cfg(test)]
    pub(crate) fn wanted(&self) -> usize {
        self.documents.lock().wanted
    }

    /// Returns the place of the replica of a document.
    #[must_use]
    pub fn place_of(self: &Arc<Self>, document: DocumentId) -> ReplicaPlace {
        ReplicaPlace { memory: Arc::clone(self), document, give_way: Arc::default() }
    }

    /// The most that a load counts, so that a document heavier than the bound can be loaded at all: the rest is for replicas that
    /// are used meanwhile.
    fn most_of_load(&self) -> usize {
        self.bounds.of_node - self.bounds.of_node / 4
    }

    /// Changes what is counted. Asks rooms to give up replicas while all together, with what waiting loads want, take too much.
    fn change<T>(&self, change: impl FnOnce(&mut Documents) -> T) -> T {
        let (changed, is_less) = {
            let mut documents = self.documents.lock();
            let before = documents.total;
            let changed = change(&mut documents);
            while documents.total.saturating_add(documents.wanted) - documents.asked
                > self.bounds.of_node
            {
                if !documents.ask_next() {
                    break;
                }
            }
            self.metrics.replicas_hold(documents.total);
            (changed, documents.total < before)
        };
        if is_less {
            self.returned.notify_waiters();
        }
        changed
    }

    /// Notes that a replica was used and takes this many bytes now, instead of the load that it comes from.
    fn note(
        &self,
        document: DocumentId,
        (payer, bytes): (Party, usize),
        give_way: &Arc<Notify>,
        loaded: Option<LoadMemory>,
    ) {
        self.change(|documents| {
            if let Some(mut loaded) = loaded {
                documents.subtract(loaded.payer, std::mem::take(&mut loaded.bytes));
            }
            documents.remove(document);
            if bytes > 0 {
                documents.insert(document, payer, bytes, Arc::clone(give_way));
                documents.ask_others_of(payer, document, self.bounds.of_user);
            }
        });
    }

    fn forget(&self, document: DocumentId) {
        self.change(|documents| documents.remove(document));
    }

    /// Returns the bytes that are counted for the replica of a document.
    fn noted(&self, document: DocumentId) -> usize {
        self.documents.lock().replicas.get(&document).map_or(0, |held| held.bytes)
    }

    fn is_asked(&self, document: DocumentId) -> bool {
        self.documents.lock().replicas.get(&document).is_some_and(|held| held.is_asked)
    }
}

impl Documents {
    fn add(&mut self, payer: Party, bytes: usize) {
        if bytes > 0 {
            self.total += bytes;
            *self.by_payer.entry(payer).or_default() += bytes;
        }
    }

    fn subtract(&mut self, payer: Party, bytes: usize) {
        self.total -= bytes;
        self.subtract_of_payer(payer, bytes);
    }

    fn subtract_of_payer(&mut self, payer: Party, bytes: usize) {
        if let Some(of_payer) = self.by_payer.get_mut(&payer) {
            *of_payer -= bytes;
            if *of_payer == 0 {
                self.by_payer.remove(&payer);
            }
        }
    }

    fn insert(&mut self, document: DocumentId, payer: Party, bytes: usize, give_way: Arc<Notify>) {
        self.uses += 1;
        self.add(payer, bytes);
        let held = HeldReplica { bytes, payer, used: self.uses, is_asked: false, give_way };
        self.replicas.insert(document, held);
    }

    fn remove(&mut self, document: DocumentId) {
        let Some(HeldReplica { bytes, payer, is_asked, .. }) = self.replicas.remove(&document)
        else {
            return;
        };
        match is_asked {
            true => {
                self.total -= bytes;
                self.asked -= bytes;
            }
            false => self.subtract(payer, bytes),
        }
    }

    /// Asks the room of the replica that gives way next. Returns false if all have been asked.
    fn ask_next(&mut self) -> bool {
        let by_payer = &self.by_payer;
        let unasked = self.replicas.values_mut().filter(|held| !held.is_asked);
        let next = unasked.max_by_key(|held| {
            let of_payer = by_payer.get(&held.payer).copied().unwrap_or_default();
            (of_payer, std::cmp::Reverse(held.used))
        });
        let Some((payer, bytes)) = next.map(HeldReplica::ask) else { return false };
        self.asked += bytes;
        self.subtract_of_payer(payer, bytes);
        true
    }

    /// Asks rooms for replicas of a user while these take more than `max`, those first that have not been used for longest, but
    /// not for the one that was used just now.
    fn ask_others_of(&mut self, payer: Party, used: DocumentId, max: usize) {
        while payer != Party::Node && self.by_payer.get(&payer).is_some_and(|bytes| *bytes > max) {
            let others = self.replicas.iter_mut().filter(|(document, held)| {
                **document != used && held.payer == payer && !held.is_asked
            });
            let next = others.min_by_key(|(_, held)| held.used);
            let Some((payer, bytes)) = next.map(|(_, held)| held.ask()) else { return };
            self.asked += bytes;
            self.subtract_of_payer(payer, bytes);
        }
    }
}

/// The place of one room's replica in the memory of the node. It becomes free when this is dropped.
pub struct ReplicaPlace {
    memory: Arc<DocumentMemory>,
    document: DocumentId,
    give_way: Arc<Notify>,
}

impl ReplicaPlace {
    /// Notes that the replica, which was loaded for `payer`, was used and takes this many bytes; 0 if there is none. If it has
    /// just been loaded, `loaded` is the memory of its load, which this replaces.
    pub fn note(&self, payer: Party, bytes: usize, loaded: Option<LoadMemory>) {
        self.memory.note(self.document, (payer, bytes), &self.give_way, loaded);
    }

    /// Whether the replica, which takes this many bytes now, is to be noted again: they differ by more than a sixteenth from what
    /// was noted last.
    #[must_use]
    pub fn is_outdated(&self, bytes: usize) -> bool {
        let noted = self.memory.noted(self.document);
        bytes.abs_diff(noted) > noted / NOTED_SHARE
    }

    /// Returns what is notified when the room is asked to give its replica up.
    #[must_use]
    pub fn give_way(&self) -> Arc<Notify> {
        Arc::clone(&self.give_way)
    }

    /// Whether the room was asked to give its replica up since it was last used.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.memory.is_asked(self.document)
    }
}

impl Drop for ReplicaPlace {
    fn drop(&mut self) {
        self.memory.forget(self.document);
    }
}

/// The memory of a document that is being loaded. It is returned when this is dropped.
pub struct LoadMemory {
    memory: Arc<DocumentMemory>,
    payer: Party,
    bytes: usize,
}

impl LoadMemory {
    /// Returns the bytes that are counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts these bytes from now on, also if they are too many. Replicas and waiting loads give way.
    pub fn count(&mut self, bytes: usize) {
        let (payer, before) = (self.payer, std::mem::replace(&mut self.bytes, bytes));
        self.memory.change(|documents| {
            documents.subtract(payer, before);
            documents.add(payer, bytes);
        });
    }

    /// Counts at least these bytes from now on, if there is room for them. Of a heavier document than the node may hold only a part
    /// counts.
    #[must_use]
    pub fn try_grow_to(&mut self, bytes: usize) -> bool {
        self.try_grow(bytes, 0)
    }

    /// Does so for a load that has waited and wanted `wanted` bytes, which it wants no more when they are counted.
    fn try_grow(&mut self, bytes: usize, wanted: usize) -> bool {
        let more = bytes.min(self.memory.most_of_load()).saturating_sub(self.bytes);
        let (payer, max) = (self.payer, self.memory.bounds.of_node);
        let is_counted = self.memory.change(|documents| {
            let fits = documents.total.saturating_add(more) <= max;
            if fits {
                documents.add(payer, more);
                documents.wanted -= wanted;
            }
            fits || more == 0
        });
        if is_counted {
            self.bytes += more;
        }
        is_counted
    }

    /// Gives back what is counted, then counts these bytes as soon as there is room for them. Returns false if there was none
    /// `within` this time.
    ///
    /// # Cancel safety
    /// When the future is dropped, all of them or none are counted.
    #[must_use]
    pub async fn wait_for(&mut self, bytes: usize, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        self.count(0);
        if self.try_grow_to(bytes) {
            return true;
        }
        let memory = Arc::clone(&self.memory);
        let mut wanted = WantedMemory::new(&memory, bytes.min(memory.most_of_load()));
        loop {
            let mut returned = std::pin::pin!(memory.returned.notified());
            // From here on it is notified, so nothing is missed between the attempt and the wait.
            returned.as_mut().enable();
            if self.try_grow(bytes, wanted.bytes) {
                wanted.bytes = 0;
                return true;
            }
            if timeout_at(deadline, returned).await.is_err() {
                return false;
            }
        }
    }
}

impl Drop for LoadMemory {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.count(0);
        }
    }
}

/// What a waiting load wants. Rooms are asked for it.
struct WantedMemory<'a> {
    memory: &'a DocumentMemory,
    bytes: usize,
}

impl<'a> WantedMemory<'a> {
    fn new(memory: &'a DocumentMemory, bytes: usize) -> Self {
        memory.change(|documents| documents.wanted = documents.wanted.saturating_add(bytes));
        Self { memory, bytes }
    }
}

impl Drop for WantedMemory<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.change(|documents| documents.wanted -= self.bytes);
        }
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
