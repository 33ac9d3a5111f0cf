//! The messages of clients.

use std::{borrow::Cow, fmt};

use serde_json::{Map, Value, value::RawValue};

use super::{
    BadMessage, OperationId, SubscribePayload,
    raw_message::{RawMessage, read, unknown_type},
};
use crate::wire::json_surrogates;

/// A message from a client.
#[derive(Clone)]
pub enum ClientMessage {
    /// Requests the connection. The payload may carry the token.
    ConnectionInit {
        /// Parameters of the client.
        payload: Option<Map<String, Value>>,
    },
    /// Requests a pong with the same payload.
    Ping {
        /// An object, as the client encoded it.
        payload: Option<Box<RawValue>>,
    },
    /// Answers a ping of the server, or is unsolicited.
    Pong {
        /// An object, as the client encoded it.
        payload: Option<Box<RawValue>>,
    },
    /// Starts an operation: a query, mutation or subscription.
    Subscribe {
        /// The id that the client gave the operation.
        id: OperationId,
        /// The GraphQL request.
        payload: SubscribePayload,
    },
    /// Ends an operation. An unknown id is valid, since both sides may end an operation at the same time.
    Complete {
        /// The id that the client gave the operation.
        id: OperationId,
    },
}

/// Parses a client's message, from a text or a binary frame.
///
/// Ignores keys other than `type`, `id` and `payload`, and rejects a message that repeats one of the three.
///
/// # Errors
/// [`BadMessage`] if graphql-transport-ws does not allow it. The session then closes with 4400.
pub fn parse(bytes: &[u8]) -> Result<ClientMessage, BadMessage> {
    let message = RawMessage::open(bytes)?;
    let kind = message.kind()?;
    match &*kind {
        "connection_init" => {
            let payload = message.object(&kind)?;
            let read = |raw: &RawValue| read(raw, "\"payload\" of \"connection_init\"");
            Ok(ClientMessage::ConnectionInit { payload: payload.map(read).transpose()? })
        }
        "ping" => {
            Ok(ClientMessage::Ping { payload: message.object(&kind)?.map(ToOwned::to_owned) })
        }
        "pong" => {
            Ok(ClientMessage::Pong { payload: message.object(&kind)?.map(ToOwned::to_owned) })
        }
        "subscribe" => Ok(ClientMessage::Subscribe {
            id: message.id()?,
            payload: read_subscribe(message.payload())?,
        }),
        "complete" => Ok(ClientMessage::Complete { id: message.id()? }),
        "connection_ack" | "next" | "error" => {
            Err(BadMessage::new(format!("Only the server sends \"{kind}\"")))
        }
        kind => Err(unknown_type(kind, "connection_init, ping, pong, subscribe or complete")),
    }
}

/// Reads the payload of a `subscribe` message, in which half a surrogate pair counts as U+FFFD.
fn read_subscribe(payload: Option<&RawValue>) -> Result<SubscribePayload, BadMessage> {
    match payload.map(|payload| json_surrogates::replaced(payload.get())) {
        Some(Cow::Owned(json)) => {
            let replaced = RawValue::from_string(json).map_err(|error| {
                BadMessage::unreadable("\"payload\" of \"subscribe\" is not valid JSON", &error)
            })?;
            SubscribePayload::read(Some(&replaced))
        }
        _ => SubscribePayload::read(payload),
    }
}

impl fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits payloads, to keep tokens and user data out of logs.
        match self {
            Self::ConnectionInit { .. } => f.debug_struct("ConnectionInit").finish_non_exhaustive(),
            Self::Ping { .. } => f.debug_struct("Ping").finish_non_exhaustive(),
            Self::Pong { .. } => f.debug_struct("Pong").finish_non_exhaustive(),
            Self::Subscribe { id, payload } => {
                f.debug_struct("Subscribe").field("id", id).field("payload", payload).finish()
            }
            Self::Complete { id } => f.debug_struct("Complete").field("id", id).finish(),
        }
    }
}

#[cfg(test)]
#[path = "client_message_tests.rs"]
mod tests;
