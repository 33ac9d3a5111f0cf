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
mod echo;
mod edits;
mod floods;
mod frames;
mod heartbeat;
mod history;
mod http;
mod limits;
mod lists;
mod metrics;
mod operations;
mod origins;
mod presence;
mod protocol;
mod resume;
mod revocation;
mod shutdown;
mod slow;
mod support;
mod sync;
mod tokens;
