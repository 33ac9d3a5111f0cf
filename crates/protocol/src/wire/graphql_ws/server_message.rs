//! The messages of the server.
//!
//! A payload is encoded once for all subscribers that receive the same. Each message then wraps the encoded payload with
//! the id of the subscriber's operation, in one allocation.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    BadMessage, OperationId,
    operation_id::escaped,
    raw_message::{RawMessage, unknown_type},
};
use crate::wire::frame;

/// A message to a client. Payloads are encoded JSON: an array of GraphQL errors for `Error`, otherwise an object.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// Answers `connection_init`. From then on the client may start operations.
    ConnectionAck {
        /// Facts about the session.
        payload: Option<&'a [u8]>,
    },
    /// Requests a pong.
    Ping {
        /// A notice, such as the expiry of the token.
        payload: Option<&'a [u8]>,
    },
    /// Answers a ping.
    Pong {
        /// The payload of the ping.
        payload: Option<&'a [u8]>,
    },
    /// Carries a result of an operation.
    Next {
        /// The id of the operation.
        id: Cow<'a, str>,
        /// The execution result.
        payload: &'a [u8],
    },
    /// Ends an operation that failed. No `Complete` follows.
    Error {
        /// The id of the operation.
        id: Cow<'a, str>,
        /// The GraphQL errors, at least one.
        errors: &'a [u8],
    },
    /// Ends an operation.
    Complete {
        /// The id of the operation.
        id: Cow<'a, str>,
    },
}

impl<'a> ServerMessage<'a> {
    /// Creates a `next` from an encoded execution result.
    #[must_use]
    pub fn next(id: &'a OperationId, payload: &'a [u8]) -> Self {
        Self::Next { id: Cow::Borrowed(id.as_str()), payload }
    }

    /// Creates an `error` from an encoded array of GraphQL errors.
    #[must_use]
    pub fn error(id: &'a OperationId, errors: &'a [u8]) -> Self {
        Self::Error { id: Cow::Borrowed(id.as_str()), errors }
    }

    /// Creates a `complete`.
    #[must_use]
    pub fn complete(id: &'a OperationId) -> Self {
        Self::Complete { id: Cow::Borrowed(id.as_str()) }
    }

    /// Creates the pong for a ping with this payload.
    #[must_use]
    pub fn pong(payload: Option<&'a RawValue>) -> Self {
        Self::Pong { payload: payload.map(|raw| raw.get().as_bytes()) }
    }

    /// Encodes the message as a text frame.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        self.with_parts(frame::text_from_parts)
    }

    /// Encodes a `next` as a text frame in three parts, of which the second is `payload` itself. So the frames of many
    /// operations share a large payload.
    #[must_use]
    pub fn next_around(id: &OperationId, payload: Bytes) -> [Bytes; 3] {
        const LAST: &[u8] = b"}";
        let id = escaped(id.as_str());
        let first = [b"{\"id\":\"", id.as_bytes(), b"\",\"type\":\"next\",\"payload\":"];
        let length = first.map(<[u8]>::len).iter().sum::<usize>() + payload.len() + LAST.len();
        [frame::beginning_of_text(length, &first), payload, Bytes::from_static(LAST)]
    }

    /// Encodes the message as JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        self.with_parts(|parts| parts.concat())
    }

    /// Parses a server's message, as a client would.
    ///
    /// # Errors
    /// [`BadMessage`] if a server does not send it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadMessage> {
        let message = RawMessage::open(bytes)?;
        let kind = message.kind()?;
        let payload = message.payload().map(|raw| raw.get().as_bytes());
        let payload_starting_with = |start: u8| {
            payload.filter(|json| json.first() == Some(&start)).ok_or_else(|| {
                let start = char::from(start);
                BadMessage::new(format!("\"payload\" of \"{kind}\" is wrong; expected {start}…"))
            })
        };
        let id = || message.id().map(|id| Cow::Owned(id.as_str().to_owned()));
        if matches!(&*kind, "connection_ack" | "ping" | "pong") {
            message.object(&kind)?;
        }
        match &*kind {
            "connection_ack" => Ok(Self::ConnectionAck { payload }),
            "ping" => Ok(Self::Ping { payload }),
            "pong" => Ok(Self::Pong { payload }),
            "next" => Ok(Self::Next { id: id()?, payload: payload_starting_with(b'{')? }),
            "error" => Ok(Self::Error { id: id()?, errors: payload_starting_with(b'[')? }),
            "complete" => Ok(Self::Complete { id: id()? }),
            kind => Err(unknown_type(kind, "connection_ack, ping, pong, next, error or complete")),
        }
    }

    fn with_parts<T>(&self, join: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            Self::ConnectionAck { payload } => join(&without_id("connection_ack", *payload)),
            Self::Ping { payload } => join(&without_id("ping", *payload)),
            Self::Pong { payload } => join(&without_id("pong", *payload)),
            Self::Next { id, payload } => join(&[
                b"{\"id\":\"",
                escaped(id).as_bytes(),
                b"\",\"type\":\"next\",\"payload\":",
                payload,
                b"}",
            ]),
            Self::Error { id, errors } => join(&[
                b"{\"id\":\"",
                escaped(id).as_bytes(),
                b"\",\"type\":\"error\",\"payload\":",
                errors,
                b"}",
            ]),
            Self::Complete { id } => {
                join(&[b"{\"id\":\"", escaped(id).as_bytes(), b"\",\"type\":\"complete\"}"])
            }
        }
    }
}

impl fmt::Debug for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sizes instead of payloads, to keep user data out of logs.
        let size = |payload: &Option<&[u8]>| payload.map(<[u8]>::len);
        match self {
            Self::ConnectionAck { payload } => write!(f, "ConnectionAck({:?})", size(payload)),
            Self::Ping { payload } => write!(f, "Ping({:?})", size(payload)),
            Self::Pong { payload } => write!(f, "Pong({:?})", size(payload)),
            Self::Next { id, payload } => write!(f, "Next({id:?}, {} bytes)", payload.len()),
            Self::Error { id, errors } => write!(f, "Error({id:?}, {} bytes)", errors.len()),
            Self::Complete { id } => write!(f, "Complete({id:?})"),
        }
    }
}

/// Returns the parts of a message that belongs to no operation.
fn without_id<'a>(kind: &'static str, payload: Option<&'a [u8]>) -> [&'a [u8]; 5] {
    let (key, payload): (&[u8], _) = match payload {
        Some(payload) => (b"\",\"payload\":", payload),
        None => (b"\"", &b""[..]),
    };
    [b"{\"type\":\"", kind.as_bytes(), key, payload, b"}"]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn value(message: &ServerMessage<'_>) -> Value {
        serde_json::from_slice(&message.json()).expect("JSON")
    }

    #[test]
    fn messages_have_the_form_that_the_protocol_requires() {
        let id = OperationId::new("a\"1").expect("an id");
        let ack = ServerMessage::ConnectionAck { payload: Some(b"{\"userId\":\"u\"}") };
        assert_eq!(value(&ack), json!({"type": "connection_ack", "payload": {"userId": "u"}}));
        assert_eq!(value(&ServerMessage::Ping { payload: None }), json!({"type": "ping"}));
        assert_eq!(value(&ServerMessage::pong(None)), json!({"type": "pong"}));
        assert_eq!(
            value(&ServerMessage::next(&id, b"{\"data\":null}")),
            json!({"id": "a\"1", "type": "next", "payload": {"data": null}})
        );
        assert_eq!(
            value(&ServerMessage::error(&id, b"[{\"message\":\"no\"}]")),
            json!({"id": "a\"1", "type": "error", "payload": [{"message": "no"}]})
        );
        assert_eq!(value(&ServerMessage::complete(&id)), json!({"id": "a\"1", "type": "complete"}));
    }

    #[test]
    fn a_pong_has_the_payload_of_the_ping() {
        let raw = RawValue::from_string("{\"n\": 1.50}".to_owned()).expect("JSON");
        let pong = ServerMessage::pong(Some(&raw)).json();
        assert_eq!(pong, b"{\"type\":\"pong\",\"payload\":{\"n\": 1.50}}");
    }

    #[test]
    fn a_message_is_one_text_frame_of_its_json() {
        let message = ServerMessage::Ping { payload: Some(b"{}") };
        let json = String::from_utf8(message.json()).expect("text");
        assert_eq!(message.frame(), frame::text(&json));
    }

    #[test]
    fn a_next_in_parts_is_the_same_frame() {
        let id = OperationId::new("a\"1").expect("an id");
        for length in [0, 100, 1_000, 100_000] {
            let payload = Bytes::from(json!({ "data": "x".repeat(length) }).to_string());
            let parts = ServerMessage::next_around(&id, payload.clone());
            assert_eq!(parts[1].as_ptr(), payload.as_ptr(), "shared");
            assert_eq!(parts.concat(), ServerMessage::next(&id, &payload).frame());
        }
    }

    #[test]
    fn invalid_messages_are_rejected() {
        for text in [
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"next","id":"1","payload":[]}"#,
            r#"{"type":"error","id":"1","payload":{}}"#,
            r#"{"type":"ping","payload":[]}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
        ] {
            assert!(ServerMessage::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn encoded_messages_parse_to_the_original(id in ".{1,64}", data in ".{0,30}", kind in 0..6) {
            let id = OperationId::new(&id).expect("within the limit");
            let object = json!({ "data": data }).to_string();
            let errors = json!([{ "message": data }]).to_string();
            let payload = (data.len() % 2 == 0).then_some(object.as_bytes());
            let message = match kind {
                0 => ServerMessage::ConnectionAck { payload },
                1 => ServerMessage::Ping { payload },
                2 => ServerMessage::Pong { payload },
                3 => ServerMessage::next(&id, object.as_bytes()),
                4 => ServerMessage::error(&id, errors.as_bytes()),
                _ => ServerMessage::complete(&id),
            };
            let json = message.json();
            prop_assert_eq!(ServerMessage::parse(&json), Ok(message.clone()));
        }
    }
}
