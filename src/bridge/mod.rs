//! The relay between nodes.
//!
//! A room publishes the events that originate on its node. While it is open it is attached to its
//! document, so the events of other nodes arrive as [`RelayEvent`]s at a [`DeliverySink`]. [`Bridge`]
//! is the contract. [`LocalBridge`] serves a cluster of one node, [`RedisBridge`] any number of nodes.
//!
//! Invariants: an envelope is never delivered to the node that published it. A loss is always
//! reported, so the affected documents are reconciled with the store.

mod contract;
mod local;
mod redis;

pub use contract::{Acknowledger, Bridge, DeliverySink, Health, RelayEvent, SessionCallSink};
pub use local::LocalBridge;
pub use redis::{EventSink, RedisBridge};
