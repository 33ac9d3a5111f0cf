//! What names an edit, so that one whose answer was lost can be repeated.

use std::fmt;

use uuid::Uuid;

use super::InvalidInput;

/// The name of an edit, unique among those of its author in a document: the client's `mutationId`, or one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EditId(String);

impl EditId {
    /// The longest name that a client may give, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// The name that a client gave.
    ///
    /// # Errors
    /// Empty, longer than [`EditId::MAX_LENGTH`], or with control characters.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(InvalidInput::new(format!(
                "A `mutationId` has 1 to {} bytes and no control characters. A UUID is a good one.",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// A name that nobody gave before: UUID version 7 (RFC 9562, section 5.7).
    #[must_use]
    pub fn unique() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A digest of what an edit asks for: the same name with another digest is another edit by mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:032x})", u128::from_be_bytes(self.0))
    }
}
