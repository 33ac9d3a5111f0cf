//! What the server sends.
//!
//! A result is encoded once for all subscribers who want the same; here each of them only gets it wrapped under
//! the id of its own operation, so payloads are JSON that is encoded already, and wrapping is one allocation.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    BadMessage, OperationId,
    operation_id::escaped,
    raw_message::{RawMessage, unknown_type},
};
use crate::wire::frame;

/// A message to a client. Payloads are encoded JSON: an object, but for `Error` an array of GraphQL errors.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// The answer to `connection_init`: operations may come.
    ConnectionAck {
        /// What the client should know of its session.
        payload: Option<&'a [u8]>,
    },
    /// To be answered with a pong.
    Ping {
        /// What the client should know by the way.
        payload: Option<&'a [u8]>,
    },
    /// The answer to a ping.
    Pong {
        /// What the ping carried.
        payload: Option<&'a [u8]>,
    },
    /// A result of an operation.
    Next {
        /// Which operation.
        id: Cow<'a, str>,
        /// The execution result.
        payload: &'a [u8],
    },
    /// The operation failed, before or while it ran. It is over; no `Complete` follows.
    Error {
        /// Which operation.
        id: Cow<'a, str>,
        /// Why: one error at least.
        errors: &'a [u8],
    },
    /// The operation is over.
    Complete {
        /// Which operation.
        id: Cow<'a, str>,
    },
}

impl<'a> ServerMessage<'a> {
    /// A result for the operation `id`; `payload` is an encoded execution result.
    #[must_use]
    pub fn next(id: &'a OperationId, payload: &'a [u8]) -> Self {
        Self::Next { id: Cow::Borrowed(id.as_str()), payload }
    }

    /// The end of the operation `id`; `errors` is an encoded array of GraphQL errors.
    #[must_use]
    pub fn error(id: &'a OperationId, errors: &'a [u8]) -> Self {
        Self::Error { id: Cow::Borrowed(id.as_str()), errors }
    }

    /// The end of the operation `id`.
    #[must_use]
    pub fn complete(id: &'a OperationId) -> Self {
        Self::Complete { id: Cow::Borrowed(id.as_str()) }
    }

    /// The answer to a ping with this payload.
    #[must_use]
    pub fn pong(payload: Option<&'a RawValue>) -> Self {
        Self::Pong { payload: payload.map(|raw| raw.get().as_bytes()) }
    }

    /// The message as one text frame, ready for an outbox.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        self.with_parts(frame::text_from_parts)
    }

    /// The message as JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        self.with_parts(|parts| parts.concat())
    }

    /// Reads what [`ServerMessage::json`] wrote, as a client would.
    ///
    /// # Errors
    /// Not a message that a server sends.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadMessage> {
        let envelope = RawMessage::open(bytes)?;
        let kind = envelope.kind()?;
        let payload = envelope.payload().map(|raw| raw.get().as_bytes());
        let wanted = |start: u8| {
            payload.filter(|json| json.first() == Some(&start)).ok_or_else(|| {
                let start = char::from(start);
                BadMessage::new(format!("\"payload\" of \"{kind}\" is wrong; expected {start}…"))
            })
        };
        let id = || envelope.id().map(|id| Cow::Owned(id.as_str().to_owned()));
        if matches!(&*kind, "connection_ack" | "ping" | "pong") {
            envelope.object(&kind)?;
        }
        match &*kind {
            "connection_ack" => Ok(Self::ConnectionAck { payload }),
            "ping" => Ok(Self::Ping { payload }),
            "pong" => Ok(Self::Pong { payload }),
            "next" => Ok(Self::Next { id: id()?, payload: wanted(b'{')? }),
            "error" => Ok(Self::Error { id: id()?, errors: wanted(b'[')? }),
            "complete" => Ok(Self::Complete { id: id()? }),
            kind => Err(unknown_type(kind, "connection_ack, ping, pong, next, error or complete")),
        }
    }

    fn with_parts<T>(&self, put_together: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            Self::ConnectionAck { payload } => put_together(&untied("connection_ack", *payload)),
            Self::Ping { payload } => put_together(&untied("ping", *payload)),
            Self::Pong { payload } => put_together(&untied("pong", *payload)),
            Self::Next { id, payload } => put_together(&[
                b"{\"id\":\"",
                escaped(id).as_bytes(),
                b"\",\"type\":\"next\",\"payload\":",
                payload,
                b"}",
            ]),
            Self::Error { id, errors } => put_together(&[
                b"{\"id\":\"",
                escaped(id).as_bytes(),
                b"\",\"type\":\"error\",\"payload\":",
                errors,
                b"}",
            ]),
            Self::Complete { id } => {
                put_together(&[b"{\"id\":\"", escaped(id).as_bytes(), b"\",\"type\":\"complete\"}"])
            }
        }
    }
}

impl fmt::Debug for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sizes, not payloads: people's text must not reach a log.
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

/// The parts of a message that belongs to no operation.
fn untied<'a>(kind: &'static str, payload: Option<&'a [u8]>) -> [&'a [u8]; 5] {
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
    fn messages_look_as_the_protocol_says() {
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
    fn a_pong_carries_what_the_ping_carried() {
        let raw = RawValue::from_string("{\"n\": 1.50}".to_owned()).expect("JSON");
        let pong = ServerMessage::pong(Some(&raw)).json();
        assert_eq!(pong, b"{\"type\":\"pong\",\"payload\":{\"n\": 1.50}}");
    }

    #[test]
    fn a_frame_is_the_json_in_one_text_frame() {
        let message = ServerMessage::Ping { payload: Some(b"{}") };
        let json = String::from_utf8(message.json()).expect("text");
        assert_eq!(message.frame(), frame::text(&json));
    }

    #[test]
    fn wrong_payloads_are_refused() {
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
        fn what_is_sent_reads_back(id in ".{1,64}", data in ".{0,30}", kind in 0..6) {
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
