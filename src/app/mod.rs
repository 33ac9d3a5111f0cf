//! Builds every part once, connects the parts, runs them, and stops them in order. No other module connects parts.
//!
//! A [`Base`] has the store and the keys; commands that do not serve use it alone. A [`Node`] is a running server on a
//! base. Its [`cluster`] has the relay and the roster, which connect it to other nodes.

mod application_keys;
mod background_tasks;
mod base;
mod build;
mod cluster;
mod node;
mod server;
mod upgrades;

pub use base::Base;
pub use node::Node;
