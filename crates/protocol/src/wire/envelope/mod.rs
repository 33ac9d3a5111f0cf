//! What nodes send each other: the version in which a kind of envelope first appeared, who sends it, and what it says in
//! the postcard format (<https://postcard.jamesmunns.com>).
//!
//! ```text
//! version u8 | node 16 bytes | body (postcard) | epoch u64, number u64 (big-endian), on arrivals and departures only
//! ```
//!
//! The version is that of the kind, not of the node: whoever does not know a kind ignores it, and everything else still
//! passes between old and new. [`Stored`](Envelope::Stored) says the same as [`Changed`](Envelope::Changed) to those who
//! only know version 1. Kinds are never changed and their numbers never used again; what has to say more is a new kind.

mod body;
mod document;
mod entry;
mod sequence;
mod signal;

pub use document::{BadEnvelope, Envelope};
pub use entry::{Incarnation, PresenceEntry};
pub use sequence::Sequence;
pub use signal::Signal;

/// The version that every node reads.
pub const OLDEST_VERSION: u8 = 1;

/// The newest version that this program writes and reads.
pub const NEWEST_VERSION: u8 = 3;
