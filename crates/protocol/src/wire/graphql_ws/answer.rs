//! Frames that are made of more than one message, and errors that need no execution.

use bytes::{Bytes, BytesMut};

use super::{OperationId, ServerMessage};
use crate::wire::ErrorCode;

/// The result of a query or mutation and the end of it, as two frames in one piece.
#[must_use]
pub fn result(id: &OperationId, response: &[u8]) -> Bytes {
    let (next, complete) =
        (ServerMessage::next(id, response).frame(), ServerMessage::complete(id).frame());
    let mut frames = BytesMut::with_capacity(next.len() + complete.len());
    frames.extend_from_slice(&next);
    frames.extend_from_slice(&complete);
    frames.freeze()
}

/// One GraphQL error, as the list that [`ServerMessage::Error`] carries.
#[must_use]
pub fn errors(code: ErrorCode, message: &str) -> Bytes {
    let errors = serde_json::json!([{
        "message": message,
        "extensions": { "code": code.as_str() },
    }]);
    Bytes::from(errors.to_string())
}
