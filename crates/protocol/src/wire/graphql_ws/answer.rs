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

/// Encodes the same frames in three parts, of which the second is `response` itself, so that a large one is not copied.
#[must_use]
pub fn result_around(id: &OperationId, response: Bytes) -> [Bytes; 3] {
    let [first, response, last] = ServerMessage::next_around(id, response);
    [first, response, [last, ServerMessage::complete(id).frame()].concat().into()]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_result_are_its_frames() {
        let id = OperationId::new("a \"b\"").unwrap();
        for length in [1, 200, 70_000] {
            let response = Bytes::from(format!("{{\"data\":\"{}\"}}", "x".repeat(length)));
            let parts = result_around(&id, response.clone());
            assert_eq!(parts[1].as_ptr(), response.as_ptr());
            assert_eq!(parts.concat(), result(&id, &response));
        }
    }
}
