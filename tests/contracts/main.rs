//! What every bridge and every roster has to keep, in memory, over one Redis and over a Redis Cluster alike.
//!
//! `scripts/test` brings the servers; or name them with `TEST_REDIS_URL` and `TEST_REDIS_CLUSTER_URL`. Without, only what
//! is in memory is tried, and the others say that they were skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a helper that cannot go on has found what the test looks for"
)]

mod bridge;
mod roster;
mod servers;
