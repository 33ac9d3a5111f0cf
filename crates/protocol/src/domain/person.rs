//! Users and accounts: the public part, and the part that only the account's user sees.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{InvalidInput, UserId};

/// The public part of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account's identifier.
    pub id: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
}

/// An account, as its own user sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its identifier, which is the `sub` of its tokens.
    pub id: UserId,
    /// The name shown to others.
    pub name: Arc<str>,
    /// The e-mail address for signing in, in lower case.
    pub email: String,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// Returns the public part of this account.
    #[must_use]
    pub fn user(&self) -> User {
        User { id: self.id, name: Arc::clone(&self.name) }
    }
}

/// An e-mail address for signing in: trimmed, lower case, at most 254 bytes (RFC 5321, section 4.5.3.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The maximum length, in bytes.
    pub const MAX_LENGTH: usize = 254;

    /// Creates an address from user input. Checks only for non-empty parts around a single `@`.
    ///
    /// # Errors
    /// If it has another form, contains white space or control characters, or is too long.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let has_both_parts = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        let is_clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if !has_both_parts || !is_clean || text.len() > Self::MAX_LENGTH {
            return Err(InvalidInput::new(
                "The e-mail address is not valid. Enter one like name@example.org, of at most 254 bytes.",
            ));
        }
        Ok(Self(text.to_lowercase()))
    }

    /// Returns the address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name shown to others: 1 to 100 characters, without surrounding white space or control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The maximum length, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 100;

    /// Creates a name from user input. Removes surrounding white space.
    ///
    /// # Errors
    /// If it is empty, longer than [`DisplayName::MAX_LENGTH`], or contains control characters.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().nth(Self::MAX_LENGTH).is_none();
        if !fits || text.chars().any(char::is_control) {
            return Err(InvalidInput::new(format!(
                "A name must have 1 to {} characters and no line breaks.",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.into()))
    }

    /// Returns the name as text.
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

/// The name of a user who has not chosen one: the id.
impl From<UserId> for DisplayName {
    fn from(id: UserId) -> Self {
        Self(id.to_string().into())
    }
}
