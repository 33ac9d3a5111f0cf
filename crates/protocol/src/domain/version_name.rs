//! The names that users give to versions.

use std::sync::Arc;

use super::{InvalidInput, visible_text::one_line};

/// The name of a version: 1 to 100 characters that readers see, composed (NFC), without surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName(Arc<str>);

impl VersionName {
    /// The maximum length, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 100;

    /// Creates a name from user input. Removes surrounding white space.
    ///
    /// # Errors
    /// If it is empty, longer than [`VersionName::MAX_LENGTH`], or contains control characters, which include line breaks, or
    /// characters that readers do not see.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidInput::new(
                "The name of the version is empty. Write what readers should call it.",
            ));
        }
        Ok(Self(one_line("name of the version", text, Self::MAX_LENGTH)?.into()))
    }

    /// Wraps a name that was read from the database, without checking it.
    #[must_use]
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_characters_that_readers_see() {
        let name = |text: &str| VersionName::new(text).map(|name| name.as_str().to_owned());
        assert_eq!(name("  Sent to the client "), Ok("Sent to the client".to_owned()));
        assert_eq!(name(&"x".repeat(100)), Ok("x".repeat(100)));
        for refused in ["", " \t", "two\nlines", "hidden\u{202e}", &"x".repeat(101)] {
            assert!(name(refused).is_err(), "{refused:?}");
        }
    }
}
