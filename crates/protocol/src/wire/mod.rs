//! Bytes to types and back: WebSocket frames, graphql-transport-ws messages, the
//! envelopes between nodes, and the reasons to close.
//!
//! Nothing here sees a socket, a clock or a runtime. What comes in has passed [`FrameGuard`] (is it RFC 6455,
//! and within the limits?), then [`Assembler`] (fragments become messages), then [`graphql_ws::parse`]. What
//! goes out is a whole encoded frame, made in one allocation, so that one encoding serves many outboxes.
//!
//! Invariant: no byte that a peer may send panics or overflows anything here, and each broken rule ends as one
//! [`CloseReason`].
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, reason = "a peer's bytes must not stop a process")
)]

mod close;
pub mod envelope;
mod error_code;
pub mod frame;
mod frame_error;
mod frame_guard;
pub mod graphql_ws;
mod message;
mod utf8;
pub mod yjs;

pub use close::{CloseReason, Dialect};
pub use error_code::ErrorCode;
pub use frame_error::{FrameError, ProtocolFault};
pub use frame_guard::{FrameGuard, FrameLimits};
pub use message::{Assembler, Fragment, Message};
