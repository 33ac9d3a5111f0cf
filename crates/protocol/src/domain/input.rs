//! The error for invalid user input.

use thiserror::Error;

/// Input that breaks a rule of the domain. The message is safe to show: it names the rule and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidInput(String);

impl InvalidInput {
    /// Creates the error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Creates the error for a text that is not the identifier of a `noun`.
    pub(crate) fn not_a_uuid(noun: &str) -> Self {
        Self(format!("The {noun} id is not a UUID. Use an id that the server returned."))
    }
}
