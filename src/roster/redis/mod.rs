//! The roster that nodes share, in Redis.
//!
//! [`RedisRoster`] is the handle. It changes the node's sessions in a [`LocalRoster`](super::LocalRoster)
//! at once, and records the [`EntryKey`](entry_key::EntryKey) of each change as [`unwritten`]. The
//! [`keeper`] has the [`writer`] write the current state of these entries to Redis, and retries until it
//! succeeds, so an outage accumulates only keys. The scripts that write presence also number and publish
//! each arrival and departure, so these are published in the order of their numbers.
//!
//! A node holds a [`lease`]. If it is not renewed, another node declares the node dead and removes its
//! entries, as the [`node_observer`] decides. A node that was declared dead takes a new incarnation and
//! writes its sessions again. [`orphans`] are entries of incarnations that no node removes any more.
//!
//! Keys, with the default prefix. No script uses more than one of them:
//! - `coscribe:presence:{DOCUMENT}`: hash from session to
//!   [`PresenceEntry`](crate::wire::envelope::PresenceEntry), with the extra fields `#epoch` and `#number`
//! - `coscribe:slots:{USER}`: hash from session to incarnation
//! - `coscribe:nodes`: sorted set of `INCARNATION:VERSION` by the end of the lease in milliseconds, or by a
//!   negative number for a dead node
//! - `coscribe:entered:{INCARNATION}`: set of the keys of all entries that an incarnation may have written

mod commands;
mod entry_key;
mod handle;
mod keeper;
mod lease;
mod node_observer;
mod nodes;
mod orphans;
mod shared;
mod unwritten;
mod version_agreement;
mod writer;

pub use handle::RedisRoster;
pub use keeper::Keeper;
