//! Identification of edits, so that a client can safely retry an edit whose answer was lost.

use std::fmt;

use uuid::Uuid;

use super::InvalidInput;

/// The id of an edit, unique per author and document: the client's `mutationId`, or a generated one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EditId(String);

impl EditId {
    /// The maximum length of a client's id, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Creates an id from a client's `mutationId`.
    ///
    /// # Errors
    /// If it is empty, longer than [`EditId::MAX_LENGTH`], or contains control characters.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(InvalidInput::new(format!(
                "A `mutationId` must have 1 to {} bytes and no control characters. Use a UUID.",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Generates a unique id: a UUID of version 7 (RFC 9562, section 5.7).
    #[must_use]
    pub fn unique() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A digest of an edit's content. It reveals an [`EditId`] that a client reuses for a different edit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:032x})", u128::from_be_bytes(self.0))
    }
}
