//! Two nodes on one PostgreSQL. `scripts/test` brings one; or name a server with `TEST_DATABASE_URL`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code,
    unused_imports,
    reason = "a helper that cannot go on has found what the test looks for; they are those of tests/api"
)]

#[path = "../api/support/mod.rs"]
mod support;

mod database;
mod edits;
mod proxy;
mod revocation;
mod tls;
