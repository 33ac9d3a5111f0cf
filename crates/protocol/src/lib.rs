//! The types that all parts of coscribe share, and their encodings.
//!
//! [`domain`] defines ids, documents, changes, deltas and events, which are validated when they are created. [`wire`]
//! defines WebSocket frames, client messages, the envelopes between nodes, close reasons and error codes.
//!
//! No I/O, no clock, no runtime. `wire` may use `domain`, but not the other way round.

pub mod domain;
pub mod wire;
