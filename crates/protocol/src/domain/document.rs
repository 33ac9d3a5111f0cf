//! A stored document and what belongs to it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{AccessLevel, DocumentId, InvalidInput, User, UserId, Version};

/// A document's name: 1 to 200 characters without surrounding space or control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(Arc<str>);

impl Title {
    /// The longest title, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 200;

    /// A title from what a user typed; space around it is dropped.
    ///
    /// # Errors
    /// Empty, longer than [`Title::MAX_LENGTH`], or with control characters (line breaks too).
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidInput::new("The title is empty. Give the document a name."));
        }
        if text.chars().nth(Self::MAX_LENGTH).is_some() {
            return Err(InvalidInput::new(format!(
                "The title is longer than {} characters. Shorten it.",
                Self::MAX_LENGTH
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidInput::new(
                "The title has a control character or line break in it. Remove it.",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The title as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A document's text, known to be within the size limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// The text of a document, at most `limit` bytes of UTF-8.
    ///
    /// # Errors
    /// Larger than `limit`, or with a NUL character, which not every database can store.
    pub fn new(text: impl Into<Arc<str>>, limit: usize) -> Result<Self, InvalidInput> {
        let text = text.into();
        if text.len() > limit {
            return Err(InvalidInput::new(format!(
                "The text has {} bytes; a document holds at most {limit}. Split it into several documents.",
                text.len()
            )));
        }
        if text.contains('\0') {
            return Err(InvalidInput::new("The text has a NUL character in it. Remove it."));
        }
        Ok(Self(text))
    }

    /// A text that was stored before, whatever is in it.
    #[must_use]
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    #[must_use]
    pub fn into_shared(self) -> Arc<str> {
        self.0
    }
}

/// A stored document at one version; its text is kept apart, since few want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its identifier.
    pub id: DocumentId,
    /// Its title at `version`.
    pub title: Arc<str>,
    /// How large its text is at `version`, in bytes of UTF-8.
    pub size: usize,
    /// How many changes it has seen.
    pub version: Version,
    /// Who made it.
    pub owner: UserId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Somebody who was granted access to a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Collaborator {
    /// The user.
    pub user: User,
    /// What the user may do.
    pub level: AccessLevel,
    /// Since when.
    pub granted_at: DateTime<Utc>,
}
