//! Who is connected: presence entries and connection slots.
//!
//! Rooms enter and remove presence; sessions take a connection slot when they are admitted and give it back when
//! they end; queries list who has a document open. The contract is [`Roster`]; [`LocalRoster`] keeps it in memory
//! for a cluster of one node. Invariant: an entry lives no longer than the session that it stands for.

mod contract;
mod local;
mod slot;

pub use contract::{Roster, SlotError};
pub use local::LocalRoster;
pub use slot::Slot;
