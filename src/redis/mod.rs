//! Connections to Redis.
//!
//! [`RedisAddress`] parses `redis.url`: one server, a cluster, or sentinels. [`Server`] opens connections
//! to it. [`Commands`] keeps one connection for commands and opens it again after a failure, with a delay
//! that grows. [`RedisKeys`] names all keys and channels. Which commands are run and which channels are
//! used is up to `bridge` and `roster`. [`RelaySigner`] signs what both publish.
//!
//! Invariant: a command takes at most `redis.answer_within`, and so does an attempt to connect. During
//! the delay after a failed attempt, commands fail at once.

mod address;
mod backoff;
mod commands;
mod connection;
mod keys;
mod options;
mod relay_signer;
mod server;

pub use address::{AddressKind, BadAddress, RedisAddress};
pub use backoff::{Backoff, random_fraction};
pub use commands::{CommandError, Commands};
pub use connection::Connection;
pub use keys::RedisKeys;
pub use options::RedisOptions;
pub use relay_signer::RelaySigner;
pub use server::{Server, ServerError};
