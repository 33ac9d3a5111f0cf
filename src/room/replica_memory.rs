//! The memory of all replicas on a node, and which of them gives way when it is more than allowed.
//!
//! A room needs its replica only while somebody edits or synchronizes. So it keeps its members and subscribers without one, and
//! loads it again when it is needed. The replica that gives way is one of the user whose replicas take the most memory, and of
//! these the one that has not been used for longest.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    domain::{DocumentId, Party},
    metrics::Metrics,
};

/// The memory of the replicas of a node.
pub(super) struct ReplicaMemory {
    /// The most bytes of all replicas together.
    max: usize,
    replicas: Mutex<Replicas>,
    metrics: Metrics,
}

#[derive(Default)]
struct Replicas {
    held: HashMap<DocumentId, HeldReplica>,
    /// Without the replicas that rooms were asked to give up. Only payers with others.
    by_payer: HashMap<Party, usize>,
    total: usize,
    /// The bytes of the replicas that rooms were asked to give up.
    asked: usize,
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

impl ReplicaMemory {
    pub(super) fn new(max: usize, metrics: Metrics) -> Self {
        Self { max, replicas: Mutex::default(), metrics }
    }

    /// Notes that a replica was used and takes this many bytes now. Asks rooms to give up replicas while all of them together
    /// take too many.
    fn note(&self, document: DocumentId, payer: Party, bytes: usize, give_way: &Arc<Notify>) {
        let mut replicas = self.replicas.lock();
        replicas.remove(document);
        if bytes > 0 {
            replicas.add(document, payer, bytes, Arc::clone(give_way));
        }
        while replicas.total - replicas.asked > self.max {
            replicas.ask_next();
        }
        self.metrics.replicas_hold(replicas.total);
    }

    fn forget(&self, document: DocumentId) {
        let mut replicas = self.replicas.lock();
        replicas.remove(document);
        self.metrics.replicas_hold(replicas.total);
    }
}

impl Replicas {
    fn add(&mut self, document: DocumentId, payer: Party, bytes: usize, give_way: Arc<Notify>) {
        self.uses += 1;
        self.total += bytes;
        *self.by_payer.entry(payer).or_default() += bytes;
        let used = self.uses;
        self.held.insert(document, HeldReplica { bytes, payer, used, is_asked: false, give_way });
    }

    fn remove(&mut self, document: DocumentId) {
        let Some(removed) = self.held.remove(&document) else { return };
        let HeldReplica { bytes, payer, is_asked, .. } = removed;
        self.total -= bytes;
        match is_asked {
            true => self.asked -= bytes,
            false => subtract(&mut self.by_payer, payer, bytes),
        }
    }

    /// Asks the room of the replica that gives way next.
    fn ask_next(&mut self) {
        let by_payer = &self.by_payer;
        let unasked = self.held.values_mut().filter(|held| !held.is_asked);
        let next = unasked.max_by_key(|held| {
            let of_payer = by_payer.get(&held.payer).copied().unwrap_or_default();
            (of_payer, std::cmp::Reverse(held.used))
        });
        if let Some(next) = next {
            next.is_asked = true;
            self.asked += next.bytes;
            next.give_way.notify_one();
            let (payer, bytes) = (next.payer, next.bytes);
            subtract(&mut self.by_payer, payer, bytes);
        }
    }
}

fn subtract(by_payer: &mut HashMap<Party, usize>, payer: Party, bytes: usize) {
    if let Some(of_payer) = by_payer.get_mut(&payer) {
        *of_payer -= bytes;
        if *of_payer == 0 {
            by_payer.remove(&payer);
        }
    }
}

/// The place of one room's replica in the memory of the node. It becomes free when this is dropped.
pub(super) struct ReplicaPlace {
    memory: Arc<ReplicaMemory>,
    document: DocumentId,
    give_way: Arc<Notify>,
}

impl ReplicaPlace {
    pub(super) fn new(memory: Arc<ReplicaMemory>, document: DocumentId) -> Self {
        Self { memory, document, give_way: Arc::default() }
    }

    /// Notes that the replica, which was loaded for `payer`, was used and takes this many bytes. 0 if there is none.
    pub(super) fn note(&self, payer: Party, bytes: usize) {
        self.memory.note(self.document, payer, bytes, &self.give_way);
    }

    /// Returns what is notified when the room is asked to give its replica up.
    pub(super) fn give_way(&self) -> Arc<Notify> {
        Arc::clone(&self.give_way)
    }
}

impl Drop for ReplicaPlace {
    fn drop(&mut self) {
        self.memory.forget(self.document);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use crate::{
        domain::{DocumentId, Party, UserId},
        metrics::Metrics,
        room::replica_memory::{ReplicaMemory, ReplicaPlace},
    };

    fn user() -> Party {
        Party::User(UserId::new())
    }

    fn place(memory: &Arc<ReplicaMemory>) -> ReplicaPlace {
        ReplicaPlace::new(Arc::clone(memory), DocumentId::new())
    }

    fn is_asked(place: &ReplicaPlace) -> bool {
        place.give_way().notified().now_or_never().is_some()
    }

    #[test]
    fn the_least_used_replica_of_the_user_with_the_most_gives_way() {
        let memory = Arc::new(ReplicaMemory::new(100, Metrics::new()));
        let (mallory, alice) = (user(), user());
        let [first, second, third, own] = [(); 4].map(|()| place(&memory));
        own.note(alice, 30);
        first.note(mallory, 30);
        second.note(mallory, 30);
        first.note(mallory, 30);
        assert!(![&first, &second, &own].into_iter().any(is_asked));
        third.note(mallory, 20);
        assert!(is_asked(&second));
        assert!(![&first, &third, &own].into_iter().any(is_asked), "one is enough");
        second.note(mallory, 0);
        // What was given up makes room for others.
        own.note(alice, 40);
        assert!(![&first, &third, &own].into_iter().any(is_asked));
    }

    #[test]
    fn a_user_whose_replicas_were_asked_for_has_less() {
        let memory = Arc::new(ReplicaMemory::new(100, Metrics::new()));
        let (mallory, alice) = (user(), user());
        let [first, second, own, more] = [(); 4].map(|()| place(&memory));
        first.note(mallory, 40);
        second.note(mallory, 40);
        own.note(alice, 45);
        assert!(is_asked(&first) && !is_asked(&second) && !is_asked(&own));
        // Before the first is given up, Alice has the most of what remains.
        more.note(alice, 20);
        assert!(is_asked(&own) && !is_asked(&second));
        first.note(mallory, 0);
        own.note(alice, 0);
        let replicas = memory.replicas.lock();
        assert_eq!((replicas.total, replicas.asked), (60, 0));
        assert_eq!((replicas.by_payer[&mallory], replicas.by_payer[&alice]), (40, 20));
    }

    #[test]
    fn a_replica_that_is_too_large_by_itself_gives_way() {
        let memory = Arc::new(ReplicaMemory::new(100, Metrics::new()));
        let large = place(&memory);
        large.note(user(), 200);
        assert!(is_asked(&large));
        // It was in use, and is asked again after each use.
        large.note(user(), 200);
        assert!(is_asked(&large));
    }

    #[test]
    fn a_closed_room_holds_nothing() {
        let memory = Arc::new(ReplicaMemory::new(100, Metrics::new()));
        let (first, second) = (place(&memory), place(&memory));
        first.note(user(), 90);
        drop(first);
        second.note(user(), 90);
        assert!(!is_asked(&second));
        let replicas = memory.replicas.lock();
        assert!(replicas.total == 90 && replicas.by_payer.len() == 1);
    }
}
