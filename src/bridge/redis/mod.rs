//! The relay over Redis pub/sub.
//!
//! [`RedisBridge`] is what rooms hold. Behind it stands one actor, the [`relay`], with two connections: one publishes, one
//! listens on the channels of the documents that are open here. What comes in is read in the [`inbox`]. Every second the
//! node publishes a [`canary`] to itself: as long as it comes back, so does everything else.
//!
//! Redis may lose what is published. Then the relay says so: to its own rooms when it comes back, to the other nodes by
//! an envelope that has them compare.

mod acknowledgements;
mod actor;
mod canary;
mod channels;
mod handle;
mod inbound;
mod outbound_queue;
mod publisher;
mod subscriber;

pub use handle::RedisBridge;
pub use inbound::EventSink;
