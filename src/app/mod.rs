//! The one place where everything meets: builds every part once, runs them, drains them in order.
//!
//! A [`Base`] is what can be used without the front door: the store and the keys. A [`Node`] is built on one; what it has
//! to do with other nodes is its [`cluster`].

mod base;
mod build;
mod chores;
mod cluster;
mod node;
mod server;

pub use base::Base;
pub use node::Node;
