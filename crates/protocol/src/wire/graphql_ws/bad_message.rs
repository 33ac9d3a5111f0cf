//! The error for messages that violate graphql-transport-ws.

use thiserror::Error;

/// The reason why a message is rejected, for the close frame: what is wrong, and what was expected.
///
/// It does not quote the message, because it is also logged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadMessage(String);

impl BadMessage {
    /// Creates the error with this text.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Creates the error for JSON that serde_json could not read: `context`, then the reason.
    ///
    /// Drops the part of the reason that quotes the message.
    pub(super) fn unreadable(context: &str, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // serde_json writes "invalid type: string "<the value>", expected <the type> at line …".
        let reason = match text.rsplit_once(", expected ") {
            Some((_, expected)) => {
                let end = expected.rfind(" at line ").unwrap_or(expected.len());
                format!("expected {}", expected.get(..end).unwrap_or(expected))
            }
            None => text,
        };
        Self(format!("{context}: {reason}"))
    }

    /// Returns the text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}
