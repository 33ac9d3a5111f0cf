//! The roster that nodes share, in Redis.
//!
//! What this node's sessions do holds here at once, in a [`LocalRoster`](super::LocalRoster), and is noted as
//! [`pending`]. The [`keeper`] writes it, again and again until it is written, in the order that one session's affairs
//! need: what is written is always how things stand, so that an outage makes nothing longer and nothing is written in
//! vain. The scripts that write presence also publish it, so that who comes and goes is told in the order in which it is
//! counted.
//!
//! A node holds a lease. Whoever lets it run out is declared dead by the others, and what it entered is removed by
//! whoever comes first; should it wake up, it takes a new incarnation and enters its sessions again.
//!
//! Keys (with the default prefix; none is touched together with another):
//! - `coscribe:presence:{DOCUMENT}`: hash of session to [`PresenceEntry`](crate::wire::envelope::Entry), with `#epoch` and `#number`
//! - `coscribe:slots:{USER}`: hash of session to incarnation
//! - `coscribe:nodes`: sorted set of `INCARNATION:VERSION` by the end of its lease in milliseconds, -1 for the dead
//! - `coscribe:entered:{INCARNATION}`: set of what the two hashes may have of it

mod commands;
mod entry_key;
mod handle;
mod keeper;
mod lease;
mod unwritten;

pub use handle::RedisRoster;
pub use keeper::Keeper;
