//! The roster: connection slots and presence of all sessions.
//!
//! Sessions take a connection slot when they are admitted. Rooms enter and remove presence. Queries
//! list the presence of a document. [`Roster`] is the contract. [`LocalRoster`] keeps one node's
//! sessions in memory; [`RedisRoster`] shares them between nodes in Redis, where its [`Keeper`] writes
//! them.
//!
//! Invariant: an entry outlives neither its session nor the lease of its session's node.

mod contract;
mod local;
mod options;
mod redis;
mod slot;

pub use contract::{Roster, RosterSnapshot, RosterUnavailable, SessionEvictor, SlotError};
pub use local::LocalRoster;
pub use options::RosterOptions;
pub use redis::{Keeper, RedisRoster};
pub use slot::Slot;
