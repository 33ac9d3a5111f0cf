//! A fair queue for everything that has few places: loading texts, large work, password hashes, and turns of operations.
//!
//! A [`FairQueue`] is a semaphore whose waiters belong to keys, for example users. Keys are served in turn, and the waiters of
//! one key in the order in which they came, so what one key asks for delays another key by one turn only. A key holds at most
//! a share of the places, even if no other key waits: work cannot be interrupted for one who comes later. The number of waiters
//! is bounded for each key and in total. If all waiters together are too many, the newest of the key with the most gives way
//! to one of a key with fewer.
//!
//! Keys may have ranks ([`QueueKey`]): most places go to the waiters of the lowest rank, in turn.
//!
//! [`places`] decides who is served, without locks or wakers; [`queue`] wakes the waiters.
//!
//! Invariant: a place is held by one permit or free, and no place is free while a key below its share waits.

mod places;
mod queue;

pub use places::{QueueBounds, QueueKey};
pub use queue::{FairPermit, FairQueue, QueueError};

impl QueueKey for crate::domain::Party {}

#[cfg(test)]
impl QueueKey for char {
    /// Capital letters have the second rank.
    fn rank(&self) -> u8 {
        u8::from(self.is_uppercase())
    }
}

#[cfg(test)]
impl QueueKey for u8 {}
