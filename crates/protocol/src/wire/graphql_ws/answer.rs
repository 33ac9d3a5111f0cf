//! Answers to operations: the frames of a result, and errors without an execution.

use bytes::{Bytes, BytesMut};

use super::{OperationId, ServerMessage};
use crate::wire::ErrorCode;

/// Encodes the result of a query or mutation as two consecutive frames, `next` and `complete`.
#[must_use]
pub fn result(id: &OperationId, response: &[u8]) -> Bytes {
    let (next, complete) =
        (ServerMessage::next(id, response).frame(), ServerMessage::complete(id).frame());
    let mut frames = BytesMut::with_capacity(next.len() + complete.len());
    frames.extend_from_slice(&next);
    frames.extend_from_slice(&complete);
    frames.freeze()
}

/// Encodes one GraphQL error as the list for [`ServerMessage::Error`].
#[must_use]
pub fn errors(code: ErrorCode, message: &str) -> Bytes {
    let errors = serde_json::json!([{
        "message": message,
        "extensions": { "code": code.as_str() },
    }]);
    Bytes::from(errors.to_string())
}
