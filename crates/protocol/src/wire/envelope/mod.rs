//! Envelopes: the messages between nodes.
//!
//! ```text
//! version u8 | node 16 bytes | body (postcard) | epoch u64, number u64 (big-endian), for `Joined` and `Left` only
//! ```
//!
//! The version is the one that introduced the kind of envelope, and the node is the sender. Bodies are encoded with
//! postcard (<https://postcard.jamesmunns.com>). A node ignores kinds that it does not know, so nodes of different
//! versions exchange all others. Nodes that know only version 1 receive [`Stored`](Envelope::Stored) instead of
//! [`Changed`](Envelope::Changed), and those that know only versions 2 and 3 receive it without the time of the previous
//! version.
//!
//! Since version 5 an envelope is signed: it is wrapped in another one with a serial number and a tag (see [`RelayKey`]).
//!
//! Invariant: a kind never changes and its number is never reused. More content needs a new kind.

mod body;
mod document;
mod entry;
mod sequence;
mod session_call;
mod signal;
mod signature;

pub use document::{BadEnvelope, Envelope};
pub use entry::{Incarnation, PresenceEntry};
pub use sequence::Sequence;
pub use session_call::SessionCall;
pub use signal::Signal;
pub use signature::{RelayKey, SIGNED_SINCE, Serial, SerialSeries, is_signed, unverified};

/// The version that all nodes read.
pub const OLDEST_VERSION: u8 = 1;

/// The newest version that this program reads and writes.
pub const NEWEST_VERSION: u8 = 6;
