//! What clients send.

use std::fmt;

use serde_json::{Map, Value, value::RawValue};

use super::{
    BadMessage, OperationId, SubscribePayload,
    raw_message::{RawMessage, read, unknown_type},
};

/// A message from a client.
#[derive(Clone)]
pub enum ClientMessage {
    /// The first message: may I? Only `payload` may carry the token.
    ConnectionInit {
        /// What the client says about itself.
        payload: Option<Map<String, Value>>,
    },
    /// To be answered with a pong that carries the same payload.
    Ping {
        /// An object, as the client wrote it.
        payload: Option<Box<RawValue>>,
    },
    /// The answer to our ping, or an unasked sign of life.
    Pong {
        /// An object, as the client wrote it.
        payload: Option<Box<RawValue>>,
    },
    /// An operation: a subscription, but also any query or mutation.
    Subscribe {
        /// The client's name for it.
        id: OperationId,
        /// The request itself.
        payload: SubscribePayload,
    },
    /// The client wants no more of this operation. An unknown id is no fault: both may have ended it at once.
    Complete {
        /// The client's name for it.
        id: OperationId,
    },
}

/// Reads a client's message, from a text or a binary frame alike.
///
/// Unknown keys beside `type`, `id` and `payload` are ignored; a known one that comes twice is refused.
///
/// # Errors
/// Whatever graphql-transport-ws does not allow: to be answered by closing with 4400.
pub fn parse(bytes: &[u8]) -> Result<ClientMessage, BadMessage> {
    let envelope = RawMessage::open(bytes)?;
    let kind = envelope.kind()?;
    match &*kind {
        "connection_init" => {
            let payload = envelope.object(&kind)?;
            let read = |raw: &RawValue| read(raw, "\"payload\" of \"connection_init\"");
            Ok(ClientMessage::ConnectionInit { payload: payload.map(read).transpose()? })
        }
        "ping" => {
            Ok(ClientMessage::Ping { payload: envelope.object(&kind)?.map(ToOwned::to_owned) })
        }
        "pong" => {
            Ok(ClientMessage::Pong { payload: envelope.object(&kind)?.map(ToOwned::to_owned) })
        }
        "subscribe" => Ok(ClientMessage::Subscribe {
            id: envelope.id()?,
            payload: SubscribePayload::read(envelope.payload())?,
        }),
        "complete" => Ok(ClientMessage::Complete { id: envelope.id()? }),
        "connection_ack" | "next" | "error" => {
            Err(BadMessage::new(format!("Only the server sends \"{kind}\"")))
        }
        kind => Err(unknown_type(kind, "connection_init, ping, pong, subscribe or complete")),
    }
}

impl fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads stay out: tokens and other people's text must not reach a log.
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
