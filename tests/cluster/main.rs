//! Several nodes on one PostgreSQL and one Redis. `scripts/test` brings them; or name servers with `TEST_DATABASE_URL` and
//! `TEST_REDIS_URL`.
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
mod limit;
mod nodes;
mod plans;
mod postgres_server;
mod presence;
mod process;
mod proxy;
mod reader;
mod redis_down;
mod redis_server;
mod relay;
mod revocation;
mod sentinel;
mod tls;
mod typist;
mod versions;
