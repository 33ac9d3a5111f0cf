//! The contracts of bridges and rosters: the same tests for the implementations in memory, over one Redis and over a Redis
//! Cluster.
//!
//! `scripts/test` starts the servers; `TEST_REDIS_URL` and `TEST_REDIS_CLUSTER_URL` name others. Without them, only the
//! implementations in memory are tested, and the other tests print that they are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that cannot do its work fails its test"
)]

mod bridge;
mod roster;
mod servers;
