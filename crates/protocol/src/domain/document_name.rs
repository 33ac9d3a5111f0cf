//! How clients name documents: by their ids, or by keys that an application has chosen.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DocumentId, InvalidInput};

/// A name of a document that an application has chosen: 1 to 200 ASCII letters, digits, `-`, `_`, `.`, `:` and `/`, and no id. No segment
/// between slashes is empty, `.` or `..`.
/// No two documents have the same one. Upper and lower case differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DocumentKey(String);

/// What names a document: its id or its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum DocumentName {
    /// Its id.
    Id(DocumentId),
    /// Its key.
    Key(DocumentKey),
}

impl DocumentKey {
    /// The most characters of a key.
    pub const MAX_LENGTH: usize = 200;

    /// Creates a key from user input.
    ///
    /// # Errors
    /// It is empty or too long, has another character, or could be an id.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        if !Self::has_form(text) {
            return Err(InvalidInput::new(format!(
                "The key is not 1 to {} letters (A to Z), digits, `-`, `_`, `.`, `:` and `/`. Choose another one.",
                Self::MAX_LENGTH
            )));
        }
        if !Self::has_segments(text) {
            return Err(InvalidInput::new(
                "The key has a slash at an end, two slashes in a row, or `.` or `..` between slashes. Choose another one.",
            ));
        }
        if Uuid::from_str(text).is_ok() {
            return Err(InvalidInput::new(
                "The key is a UUID, which only ids are. Put something before it.",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps a key that was read from the database, without checking it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an address can have it: addresses resolve the segments `.` and `..`, and some servers join slashes.
    fn has_segments(text: &str) -> bool {
        text.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
    }

    fn has_form(text: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        !text.is_empty() && text.len() <= Self::MAX_LENGTH && text.bytes().all(is_allowed)
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DocumentName {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        if let Ok(uuid) = Uuid::from_str(text) {
            return Ok(Self::Id(uuid.into()));
        }
        DocumentKey::new(text).map(Self::Key).map_err(|_no_key| {
            InvalidInput::new(
                "The document id is neither a UUID nor a key. Use an id that the server returned, or the key of the document.",
            )
        })
    }
}

impl TryFrom<String> for DocumentName {
    type Error = InvalidInput;

    fn try_from(text: String) -> Result<Self, InvalidInput> {
        text.parse()
    }
}

impl From<DocumentId> for DocumentName {
    fn from(id: DocumentId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_no_relative_path() {
        for text in [".", "..", "a/../b", "a/./b", "/a", "a/", "a//b"] {
            assert!(DocumentKey::new(text).is_err(), "{text}");
        }
        for text in ["a.b/c", "...", "a/b/c", ".a"] {
            assert!(DocumentKey::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_id_is_no_key() {
        let id = DocumentId::new();
        let uuid = id.uuid();
        for text in [
            uuid.to_string(),
            uuid.to_string().to_uppercase(),
            uuid.simple().to_string(),
            uuid.urn().to_string(),
        ] {
            assert!(DocumentKey::new(&text).is_err(), "{text}");
            assert_eq!(text.parse::<DocumentName>(), Ok(DocumentName::Id(id)), "{text}");
        }
        let key = DocumentKey::new(&format!("plan:{uuid}")).unwrap();
        assert_eq!(key.as_str().parse::<DocumentName>(), Ok(DocumentName::Key(key.clone())));
    }

    #[test]
    fn keys_have_an_alphabet_and_a_length() {
        let longest = "x".repeat(DocumentKey::MAX_LENGTH);
        for key in ["1", "wiki/Page_1.2:draft-3", &longest] {
            assert_eq!(DocumentKey::new(key).unwrap().as_str(), key);
        }
        let longer = format!("{longest}x");
        for refused in ["", " ", "a b", "ä", "a\n", "a%2F", "a?b", "a\u{0}", &longer] {
            assert!(DocumentKey::new(refused).is_err(), "{refused:?}");
            assert!(refused.parse::<DocumentName>().is_err(), "{refused:?}");
        }
    }
}
