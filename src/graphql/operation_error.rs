//! Errors of whole operations: their codes, and how they are written.

use async_graphql::ServerError;
use bytes::Bytes;

use super::error_report::INTERNAL;
use crate::{
    editing::LoadError,
    wire::{ErrorCode, graphql_ws, shortened},
};

/// The message when too many large operations are being read.
const TOO_MANY_OPERATIONS: &str =
    "The server is busy with too many large operations. Try again in a moment.";

/// The message when a stranger asks for the schema and only users may.
const SCHEMA_NEEDS_USER: &str = "This server shows its schema to signed-in users only. Send a token as `Authorization: Bearer \
     <token>`, or read docs/schema.graphql of its sources.";

/// Returns the error of an operation that failed by a fault of the server. The caller logs the fault.
pub(super) fn internal_error() -> ServerError {
    error_with(ErrorCode::Internal, INTERNAL)
}

/// Returns the error of an operation that had no turn in time. Nothing of it was carried out.
pub(super) fn busy_error() -> ServerError {
    error_with(ErrorCode::Unavailable, TOO_MANY_OPERATIONS)
}

/// Returns the error of an operation that names a persisted query. Clients recognize it by this message and this code, and send
/// the text of the query instead.
pub(crate) fn persisted_query_error() -> ServerError {
    error_with(ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported")
}

/// Returns the error of a stranger's operation that selects the schema, if only users may.
pub(super) fn schema_error() -> ServerError {
    error_with(ErrorCode::Unauthenticated, SCHEMA_NEEDS_USER)
}

/// Returns the error of an operation whose work on another thread failed. Logs a fault of the server.
pub(super) fn work_error(error: &LoadError, what: &'static str) -> ServerError {
    match error {
        LoadError::Busy => busy_error(),
        error => {
            tracing::error!(%error, "{what}");
            internal_error()
        }
    }
}

fn error_with(code: ErrorCode, message: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code.as_str());
    error
}

/// Returns [`internal_error`] as the JSON of a list of errors, for a response that could not be encoded.
pub(super) fn internal_errors() -> Bytes {
    graphql_ws::errors(ErrorCode::Internal, INTERNAL)
}

/// Returns a list of errors as JSON.
pub(super) fn errors_to_json(errors: &[ServerError]) -> Bytes {
    serde_json::to_vec(errors).map(Bytes::from).unwrap_or_else(|error| {
        tracing::error!(%error, "errors could not be encoded");
        internal_errors()
    })
}

/// The most errors in a response. Without a bound, a text with an error in every word would get a response a hundred
/// times its size.
const MAX_ERRORS: usize = 20;

/// The most bytes of the message of an error. The library repeats values in its messages.
const MAX_MESSAGE: usize = 1_024;

/// What the library says of an operation above `limits.operation_complexity`.
const TOO_COMPLEX: &str = "Query is too complex.";
const TOO_COMPLEX_ADVICE: &str = "The operation is too complex: the costs of its fields are higher than `limits.operation_complexity` together. \
     Ask for a shorter page with `first`, for fewer fields, or send several operations.";

/// Returns the first errors of an operation, each [`with_code`].
pub(super) fn with_codes(errors: Vec<ServerError>) -> Vec<ServerError> {
    errors.into_iter().take(MAX_ERRORS).map(with_code).collect()
}

/// Adds the code `BAD_USER_INPUT` to an error without a code, and shortens a long message. An error without a code comes from
/// parsing, validation or the type of an argument, so the operation is wrong.
pub(super) fn with_code(mut error: ServerError) -> ServerError {
    if error.message == TOO_COMPLEX {
        error.message = TOO_COMPLEX_ADVICE.to_owned();
    }
    if error.message.len() > MAX_MESSAGE {
        error.message = format!("{}…", shortened(&error.message, MAX_MESSAGE));
    }
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", ErrorCode::BadUserInput.as_str());
    }
    error
}
