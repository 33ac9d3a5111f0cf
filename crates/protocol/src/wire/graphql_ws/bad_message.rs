//! A message that the protocol does not know, in words for the close frame.

use thiserror::Error;

/// What is wrong with a message, and what was expected. Safe to show to its sender, and without its content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadMessage(String);

impl BadMessage {
    /// A message that breaks the rule that `text` states.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Something that serde_json could not read as a `what`.
    ///
    /// Its own words follow, but for what they quote from the message: they end up in logs as well.
    pub(super) fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        let words = error.to_string();
        // Data errors read "invalid type: string "what was sent", expected what should have been".
        let reason = match words.rsplit_once(", expected ") {
            Some((_, expected)) => {
                let end = expected.rfind(" at line ").unwrap_or(expected.len());
                format!("expected {}", expected.get(..end).unwrap_or(expected))
            }
            None => words,
        };
        Self(format!("{what}: {reason}"))
    }

    /// The words.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}
