//! The state of a fair queue: who holds places, who waits, and who is next.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

/// Of this many places that are given to waiters, one goes to the key whose turn it is, whatever its rank.
const RANKLESS_TURN: u32 = 4;

/// Whom a place is for.
pub trait QueueKey: Hash + Eq + Clone {
    /// Returns the rank of the key. Keys of a lower rank are served first, and displace those of a higher one from a full
    /// queue; but every fourth place goes to the next key, whatever its rank, and no key has more waiters in a full queue than
    /// all keys of a higher rank together that want to wait.
    fn rank(&self) -> u8 {
        0
    }
}

/// The bounds of a fair queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// The number of places. 0 counts as 1.
    pub places: usize,
    /// The most places that one key holds. 0 counts as 1.
    pub share: usize,
    /// The most waiters of one key.
    pub waiting_of_key: usize,
    /// The most waiters of all keys together.
    pub waiting: usize,
}

/// Identifies a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What became of a request for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<W> {
    /// The key holds one more place.
    Taken,
    /// It waits. A waiter of another key had to give way, if there is one here.
    Waits(Ticket, Option<W>),
    /// Too many wait.
    Refused,
}

/// Who holds places and who waits for them.
///
/// Invariants: `free` and the places that keys hold add up to the places of the bounds. `order` has each key with waiters
/// once. If a place is free, each key with waiters holds its share.
#[derive(Debug)]
pub(super) struct QueuePlaces<K, W> {
    bounds: QueueBounds,
    free: usize,
    /// The keys that hold places or have waiters.
    keys: HashMap<K, KeyPlaces<W>>,
    /// The keys that have waiters, by the numbers of their turns. The first that may take a place is next.
    order: BTreeMap<u64, K>,
    waiting: usize,
    last_ticket: u64,
    last_turn: u64,
    /// The places that were given to waiters since the last one regardless of rank.
    ranked_turns: u32,
}

/// The places and waiters of one key.
#[derive(Debug)]
struct KeyPlaces<W> {
    held: usize,
    /// In the order of their tickets.
    waiting: VecDeque<(Ticket, W)>,
    /// The number of the key's next turn, if it has waiters.
    turn: u64,
}

impl<K: QueueKey, W> QueuePlaces<K, W> {
    /// Returns places that are all free.
    pub(super) fn new(bounds: QueueBounds) -> Self {
        let places = bounds.places.max(1);
        let bounds = QueueBounds { places, share: bounds.share.clamp(1, places), ..bounds };
        Self {
            bounds,
            free: places,
            keys: HashMap::new(),
            order: BTreeMap::new(),
            waiting: 0,
            last_ticket: 0,
            last_turn: 0,
            ranked_turns: 0,
        }
    }

    /// Takes a place for a key, or has `waiter` wait.
    pub(super) fn request(&mut self, key: &K, waiter: W) -> Request<W> {
        let (held, of_key) = self.keys.get(key).map_or((0, 0), |own| (own.held, own.waiting.len()));
        // If the key has waiters, it holds its share, so nobody is overtaken.
        if self.free > 0 && held < self.bounds.share {
            self.free -= 1;
            self.key_mut(key).held += 1;
            return Request::Taken;
        }
        if of_key >= self.bounds.waiting_of_key {
            return Request::Refused;
        }
        let is_full = self.waiting >= self.bounds.waiting;
        let displaced = if is_full { self.displace_for(key, of_key + 1) } else { None };
        if is_full && displaced.is_none() {
            return Request::Refused;
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let own = self.key_mut(key);
        let is_first = own.waiting.is_empty();
        own.waiting.push_back((ticket, waiter));
        if is_first {
            self.enqueue(key);
        }
        self.waiting += 1;
        Request::Waits(ticket, displaced)
    }

    /// Removes a waiter for one of a key that has `joined` waiters with it. Of the keys that may give way, the one with the highest
    /// rank and there the one with the most loses its newest waiter. None if no key may give way:
    ///
    /// - A key of a higher rank does, unless the one that comes would have more waiters than all of that rank.
    /// - A key of the same rank does if it has more.
    /// - A key of a lower rank does if it has more than all of the rank of the one that comes. So a few keys of a low rank do not
    ///   keep out everyone else.
    fn displace_for(&mut self, key: &K, joined: usize) -> Option<W> {
        let waiters = |key: &K| self.keys.get(key).map_or(0, |own| own.waiting.len());
        let mut of_ranks: HashMap<u8, usize> = HashMap::new();
        for other in self.order.values() {
            *of_ranks.entry(other.rank()).or_default() += waiters(other);
        }
        let of_rank = |rank| of_ranks.get(&rank).copied().unwrap_or_default();
        let gives_way = |other: &K| match other.rank().cmp(&key.rank()) {
            Ordering::Greater => joined <= of_rank(other.rank()),
            Ordering::Equal => waiters(other) > joined,
            Ordering::Less => waiters(other) > of_rank(key.rank()) + 1,
        };
        let may_give_way = self.order.values().filter(|other| gives_way(other));
        let last = may_give_way.max_by_key(|other| (other.rank(), waiters(other)))?.clone();
        let (ticket, _) = self.keys.get(&last)?.waiting.back()?;
        self.remove(&last, *ticket)
    }

    /// Removes a waiter that no longer waits for its place. None if it is not waiting.
    pub(super) fn remove(&mut self, key: &K, ticket: Ticket) -> Option<W> {
        let own = self.keys.get_mut(key)?;
        let index = own.waiting.binary_search_by_key(&ticket, |(waiting, _)| *waiting).ok()?;
        let (_, waiter) = own.waiting.remove(index)?;
        self.waiting -= 1;
        if own.waiting.is_empty() {
            self.order.remove(&own.turn);
        }
        self.forget_if_idle(key);
        Some(waiter)
    }

    /// Gives back a place of a key. Returns the key and the waiter that holds it now, if there is one.
    pub(super) fn give_back(&mut self, key: &K) -> Option<(K, W)> {
        let own = self.keys.get_mut(key).filter(|own| own.held > 0)?;
        own.held -= 1;
        self.free += 1;
        let served = self.serve_next();
        self.forget_if_idle(key);
        served
    }

    /// Gives a free place to the first waiter of the next key.
    fn serve_next(&mut self) -> Option<(K, W)> {
        let share = self.bounds.share;
        let may_take = |key: &K| self.keys.get(key).is_some_and(|own| own.held < share);
        let is_rankless = self.ranked_turns + 1 >= RANKLESS_TURN;
        let rank_of = |key: &K| if is_rankless { 0 } else { key.rank() };
        let mut next: Option<(u8, u64)> = None;
        for (turn, key) in &self.order {
            let rank = rank_of(key);
            if next.is_none_or(|(lowest, _)| rank < lowest) && may_take(key) {
                next = Some((rank, *turn));
                // No rank is lower. Thousands of keys may wait.
                if rank == 0 {
                    break;
                }
            }
        }
        let (_, turn) = next?;
        self.ranked_turns = if is_rankless { 0 } else { self.ranked_turns + 1 };
        let key = self.order.remove(&turn)?;
        let own = self.keys.get_mut(&key)?;
        let (_, waiter) = own.waiting.pop_front()?;
        own.held += 1;
        self.free -= 1;
        self.waiting -= 1;
        if !own.waiting.is_empty() {
            self.enqueue(&key);
        }
        Some((key, waiter))
    }

    /// Gives a key with waiters the last turn.
    fn enqueue(&mut self, key: &K) {
        self.last_turn += 1;
        let turn = self.last_turn;
        self.key_mut(key).turn = turn;
        self.order.insert(turn, key.clone());
    }

    fn key_mut(&mut self, key: &K) -> &mut KeyPlaces<W> {
        let own = self.keys.entry(key.clone());
        own.or_insert_with(|| KeyPlaces { held: 0, waiting: VecDeque::new(), turn: 0 })
    }

    fn forget_if_idle(&mut self, key: &K) {
        if let Entry::Occupied(own) = self.keys.entry(key.clone())
            && own.get().held == 0
            && own.get().waiting.is_empty()
        {
            own.remove();
        }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
