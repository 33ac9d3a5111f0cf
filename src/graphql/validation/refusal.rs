//! The error of an operation that is refused before it runs.

use async_graphql::{Pos, ServerError};

/// Returns an error at a position of the text. The caller adds the code.
pub(in crate::graphql) fn refusal(message: impl Into<String>, at: Option<Pos>) -> ServerError {
    ServerError::new(message, at)
}
