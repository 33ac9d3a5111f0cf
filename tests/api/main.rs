//! Whole nodes over real sockets, each with its own port and database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on has found what the test looks for"
)]

mod access;
mod accounts;
mod alice_and_bob;
mod documents;
mod frames;
mod heartbeat;
mod limits;
mod protocol;
mod revocation;
mod shutdown;
mod slow;
mod support;
