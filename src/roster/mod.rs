//! Who is connected: presence entries and connection slots.
//!
//! Rooms enter and remove presence; sessions take a connection slot when they are admitted and give it back when
//! they end; queries list who has a document open. The contract is [`Roster`]; [`LocalRoster`] keeps it in memory
//! for a cluster of one node, [`RedisRoster`] in a Redis that all nodes share. Invariant: an entry lives no longer than
//! the session that it stands for, or than the lease of its node.

mod contract;
mod local;
mod options;
mod redis;
mod slot;

pub use contract::{Roster, RosterAway, RosterSnapshot, SessionEvictor, SlotError};
pub use local::LocalRoster;
pub use options::RosterOptions;
pub use redis::{Keeper, RedisRoster};
pub use slot::Slot;
