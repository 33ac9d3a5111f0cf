//! The messages of graphql-transport-ws, as its protocol document defines them.
//!
//! [`parse`] turns a text or binary message of a client into a [`ClientMessage`], or into a [`BadMessage`] that
//! says what is wrong (close code 4400). [`ServerMessage`] is what goes the other way. Both read through the same
//! envelope, and payloads that are already encoded JSON are copied, not encoded again.
//!
//! Invariant: a message is taken whole or refused; its `Debug` shows neither tokens nor anybody's text.

mod answer;
mod bad_message;
mod client_message;
mod operation_id;
mod raw_message;
mod server_message;
mod subscribe;
mod token;

pub use answer::{errors, result};
pub use bad_message::BadMessage;
pub use client_message::{ClientMessage, parse};
pub use operation_id::OperationId;
pub use server_message::ServerMessage;
pub use subscribe::SubscribePayload;
pub use token::{token_in, token_in_ping};

/// The name under which a client asks for this protocol at the upgrade.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
