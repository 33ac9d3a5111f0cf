//! Documents, their titles and texts, and their collaborators.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{AccessLevel, DocumentId, InvalidInput, User, UserId, Version, visible_text::one_line};

/// A document's title: 1 to 200 characters that readers see, composed (NFC), without surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(Arc<str>);

impl Title {
    /// The maximum length, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 200;

    /// Creates a title from user input. Removes surrounding white space.
    ///
    /// # Errors
    /// If it is empty, longer than [`Title::MAX_LENGTH`], or contains control characters, which include line breaks, or
    /// characters that readers do not see.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidInput::new("The title is empty. Give the document a name."));
        }
        Ok(Self(one_line("title", text, Self::MAX_LENGTH)?.into()))
    }

    /// Wraps a title that was read from the database, without checking it.
    #[must_use]
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the title as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A document's text, within the size limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// Creates a text of at most `limit` bytes of UTF-8.
    ///
    /// # Errors
    /// If it is larger than `limit` or contains a NUL character, which some databases cannot store.
    pub fn new(text: impl Into<Arc<str>>, limit: usize) -> Result<Self, InvalidInput> {
        let text = text.into();
        if text.len() > limit {
            return Err(InvalidInput::new(format!(
                "The text has {} bytes, but a document has at most {limit}. Split it into several documents.",
                text.len()
            )));
        }
        if text.contains('\0') {
            return Err(InvalidInput::new("The text contains a NUL character. Remove it."));
        }
        Ok(Self(text))
    }

    /// Wraps a text that was read from the database, without checking it.
    #[must_use]
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts it into a shared string.
    #[must_use]
    pub fn into_shared(self) -> Arc<str> {
        self.0
    }
}

/// A stored document at one version, without its text, which few callers need.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its identifier.
    pub id: DocumentId,
    /// Its title at `version`.
    pub title: Arc<str>,
    /// The size of its text at `version`, in bytes of UTF-8.
    pub size: usize,
    /// Its version.
    pub version: Version,
    /// The user who owns it.
    pub owner: UserId,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
    /// The time of its last change.
    pub updated_at: DateTime<Utc>,
}

/// A user who was granted access to a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Collaborator {
    /// The user, or what stands in for them.
    pub user: User,
    /// The e-mail address that a stand-in has as its name. None for a user.
    pub address: Option<Arc<str>>,
    /// The access level.
    pub level: AccessLevel,
    /// The time of the grant.
    pub granted_at: DateTime<Utc>,
    /// When the grant ends, if it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
}
