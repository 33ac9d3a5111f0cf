//! The encodings of everything that the server receives and sends: WebSocket frames, the messages of the client
//! protocols, the subprotocols of a handshake, the envelopes between nodes, close reasons and error codes.
//!
//! Inbound bytes pass [`FrameGuard`] (RFC 6455 and limits), then [`Assembler`] (fragments to messages), then
//! [`graphql_ws::parse`], [`yjs::parse`] or
//! [`hocuspocus::parse`]. Outbound messages are complete frames, encoded in one allocation and shared
//! by many outboxes. No socket, no clock, no runtime.
//!
//! Invariant: no bytes of a peer cause a panic or an overflow, and each violation maps to one [`CloseReason`].
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, reason = "bytes of a peer must not cause a panic")
)]

mod close;
mod derived_key;
pub mod envelope;
mod error_code;
pub mod frame;
mod frame_error;
mod frame_guard;
pub mod graphql_ws;
pub mod hocuspocus;
pub mod json_surrogates;
mod json_values;
mod message;
mod predecessor;
pub mod subprotocol;
mod utf8;
pub mod yjs;

pub use close::{CloseReason, Dialect};
pub use derived_key::derive_key;
pub use error_code::ErrorCode;
pub use frame_error::{FrameError, ProtocolFault};
pub use frame_guard::{FrameGuard, FrameLimits};
pub use json_values::count_values;
pub use message::{Assembler, Fragment, Message};
pub use predecessor::Predecessor;
pub use utf8::shortened;
