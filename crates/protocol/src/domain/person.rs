//! Users: what everybody may know of them, and what only they see.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{InvalidInput, UserId};

/// What others see of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// The name that others see.
    pub name: Arc<str>,
}

/// An account as its own user sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its identifier: the `sub` of a token.
    pub id: UserId,
    /// The name that others see.
    pub name: Arc<str>,
    /// The address to sign in with, in lower case.
    pub email: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// What others see of this account.
    #[must_use]
    pub fn user(&self) -> User {
        User { id: self.id, name: Arc::clone(&self.name) }
    }
}

/// An e-mail address to sign in with: trimmed, lower case, at most 254 bytes (RFC 5321, section 4.5.3.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The longest address, in bytes.
    pub const MAX_LENGTH: usize = 254;

    /// An address from what a user typed. Only the shape is checked: something, one `@`, something.
    ///
    /// # Errors
    /// No such shape, white space or control characters inside, or too long.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let shaped = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if !shaped || !clean || text.len() > Self::MAX_LENGTH {
            return Err(InvalidInput::new(
                "The e-mail address is not valid. It looks like name@example.org and has at most 254 bytes.",
            ));
        }
        Ok(Self(text.to_lowercase()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name that others see: 1 to 100 characters without surrounding space or control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The longest name, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 100;

    /// A name from what a user typed; space around it is dropped.
    ///
    /// # Errors
    /// Empty, longer than [`DisplayName::MAX_LENGTH`], or with control characters.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().nth(Self::MAX_LENGTH).is_none();
        if !fits || text.chars().any(char::is_control) {
            return Err(InvalidInput::new(format!(
                "A name has 1 to {} characters and no line breaks.",
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    #[must_use]
    pub fn into_shared(self) -> Arc<str> {
        self.0
    }
}

/// For whoever has no name: the id, which is always fit to show.
impl From<UserId> for DisplayName {
    fn from(id: UserId) -> Self {
        Self(id.to_string().into())
    }
}
