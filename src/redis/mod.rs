//! The way to Redis: where it is, how it is reached, and what becomes of a way that breaks.
//!
//! [`RedisAddress`] is what `redis.url` says: one server, a cluster, or sentinels that know which server it is. [`Server`]
//! opens connections to it, and [`Commands`] keeps one open for whoever has a question: it is opened again when it
//! breaks, after a pause that grows. What is asked and what is heard is the affair of bridge and roster.
//!
//! Invariant: nobody waits for Redis longer than `redis.answer_within`, and while it is away nobody waits at all.

mod address;
mod backoff;
mod commands;
mod connection;
mod keys;
mod options;
mod server;

pub use address::{AddressKind, BadAddress, RedisAddress};
pub use backoff::{Backoff, chance};
pub use commands::{Away, Commands};
pub use connection::Connection;
pub use keys::RedisKeys;
pub use options::RedisOptions;
pub use server::{Server, ServerError};
