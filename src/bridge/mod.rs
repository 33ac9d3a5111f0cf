//! The relay between nodes.
//!
//! A room tells the bridge of every event that began on this node, and attaches while it is open, so that what
//! other nodes say about the document comes in. The contract is [`Bridge`]; [`LocalBridge`] serves a cluster of
//! one node. Invariant: a bridge never brings an event back to the node that published it.

mod contract;
mod local;

pub use contract::{Bridge, Envelope};
pub use local::LocalBridge;
