//! The messages of graphql-transport-ws.
//!
//! [`parse`] turns a text or binary message of a client into a [`ClientMessage`], or into a [`BadMessage`] that states
//! the fault (close code 4400). [`ServerMessage`] is encoded for clients. Payloads that are already encoded JSON are
//! copied, not encoded again.
//!
//! Invariant: a message is parsed completely or rejected. `Debug` shows neither tokens nor user data.

mod answer;
mod bad_message;
mod client_message;
mod operation_id;
mod raw_message;
mod raw_object;
mod server_message;
mod subscribe;
mod token;

pub use answer::{errors, result, result_around};
pub use bad_message::BadMessage;
pub use client_message::{ClientMessage, parse};
pub use operation_id::OperationId;
pub use raw_object::RawObject;
pub use server_message::ServerMessage;
pub use subscribe::{SubscribePayload, names_persisted_query};
pub use token::{token_in, token_in_ping};

/// The name of the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
