//! The relay over Redis pub/sub.
//!
//! [`RedisBridge`] is the handle that rooms hold. Behind it runs one actor, the [`Relay`](actor::Relay),
//! with two connections. The [`publisher`] sends; the [`subscriber`] receives on the [`channels`] of
//! the documents that are open on this node. [`inbound`] verifies and decodes received messages, and the
//! [`replay_guard`] notices those that were received before. Every second the node publishes a
//! [`canary`] to itself; while canaries arrive, so does everything else.
//!
//! Redis pub/sub may lose messages. The relay then makes the affected nodes reconcile with the store:
//! its own rooms after it has resubscribed, other nodes by publishing
//! [`Envelope::Compare`](crate::wire::envelope::Envelope::Compare).

mod acknowledgements;
mod actor;
mod canary;
mod channels;
mod handle;
mod inbound;
mod listeners;
mod outbound_queue;
mod publisher;
mod refusal;
mod replay_guard;
mod subscriber;

pub use handle::RedisBridge;
pub use inbound::EventSink;
