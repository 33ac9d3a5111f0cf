//! Several nodes on one PostgreSQL and one Redis. `scripts/test` starts the servers; `TEST_DATABASE_URL` and
//! `TEST_REDIS_URL` name others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails its test"
)]
#![allow(clippy::print_stdout, reason = "tests report what they counted")]

mod accounts_end;
mod bin;
mod clock;
mod compaction;
mod database;
mod document_tokens;
mod edits;
mod failover;
mod flood;
mod forgery;
mod groups;
mod keys;
mod limit;
mod links;
mod lost_changes;
mod nodes;
mod plans;
mod pooler;
mod presence;
mod questions;
mod redis_outage;
mod relay;
mod revocation;
mod revocation_matrix;
mod sentinel;
mod sign_outs;
mod store_faults;
mod tickets;
mod tls;
mod versions;

use kit::Program;

/// Settings of nodes in the test whose leases end soon, but not while the machine is busy with something else.
const SHORT_LEASE: [(&str, &str); 3] = [
    ("COSCRIBE__REDIS__ANSWER_WITHIN", "2s"),
    ("COSCRIBE__ROSTER__LEASE", "5s"),
    ("COSCRIBE__ROSTER__RENEW_EVERY", "500ms"),
];

/// The server's binary.
const SERVER: Program = Program::new(env!("CARGO_BIN_EXE_coscribe"));
