//! The values that every part of coscribe shares, and how they are encoded.
//!
//! [`domain`] has ids, documents, changes, deltas and events; a value that exists has been checked. [`wire`] has WebSocket
//! frames, the messages of clients, the envelopes between nodes, close reasons and error codes.
//!
//! No I/O, no clock, no runtime. `wire` may use `domain`, not the reverse.

pub mod domain;
pub mod wire;
