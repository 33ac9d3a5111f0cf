//! What a user gave us and we cannot take, in words that say what to do about it.

use thiserror::Error;

/// Input that breaks a rule of the domain. The text is safe to show and names the rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidInput(String);

impl InvalidInput {
    /// Input that breaks the rule that `message` states.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Text that should have been the identifier of a `noun`.
    pub(crate) fn identifier(noun: &str) -> Self {
        Self(format!("The {noun} id is not a UUID. Use an id as the server gave it."))
    }
}
