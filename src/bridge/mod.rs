//! The relay between nodes.
//!
//! A room tells the bridge of what began on this node, and attaches while it is open, so that what other nodes say about
//! the document comes in: as a [`RelayEvent`], to whoever [`DeliverySink`]s it. The contract is [`Bridge`]; [`LocalBridge`]
//! serves a cluster of one node, [`RedisBridge`] any number of them.
//!
//! Invariants: a bridge never brings an event back to the node that published it; and what it loses it says, so that
//! what was told meanwhile is looked up.

mod contract;
mod local;
mod redis;

pub use contract::{Bridge, DeliverySink, Done, Health, RelayEvent};
pub use local::LocalBridge;
pub use redis::{EventSink, RedisBridge};
