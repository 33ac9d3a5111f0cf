//! Users and accounts: the public part, and the part that only the account's user sees.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use icu_normalizer::ComposingNormalizerBorrowed;

use super::{InvalidInput, UserId, visible_text::check_visible};

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
    /// The e-mail address, in lower case: one that is known to be the user's or else the one for signing in.
    pub email: String,
    /// The time of its creation.
    pub created_at: DateTime<Utc>,
    /// How often all its sign-ins have ended. A token of ours with an earlier generation is refused.
    pub generation: i64,
}

impl Account {
    /// Returns the public part of this account.
    #[must_use]
    pub fn user(&self) -> User {
        User { id: self.id, name: Arc::clone(&self.name) }
    }
}

/// An e-mail address for signing in: trimmed, lower case, composed (NFC), at most 254 bytes (RFC 5321, section 4.5.3.1.3).
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
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        Ok(Self(composed.to_lowercase()))
    }

    /// Creates the address of a new account from user input. No two of these look the same because of compatibility
    /// characters, such as wide letters.
    ///
    /// # Errors
    /// As [`Email::new`], or if it contains format characters or compatibility characters.
    pub fn for_account(text: &str) -> Result<Self, InvalidInput> {
        let address = Self::new(text)?;
        check_visible("e-mail address", address.as_str())?;
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
        if !ComposingNormalizerBorrowed::new_nfkc().is_normalized(&composed) {
            return Err(InvalidInput::new(
                "The e-mail address contains a character that looks like another one. Write it with ordinary letters.",
            ));
        }
        Ok(address)
    }

    /// Returns the address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name shown to others: 1 to 100 characters that readers see, without surrounding white space.
///
/// Names that were stored earlier may have others; they are read as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The maximum length, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 100;

    /// Creates a name from user input. Removes surrounding white space.
    ///
    /// # Errors
    /// If it is empty, longer than [`DisplayName::MAX_LENGTH`], or contains control or format characters.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().nth(Self::MAX_LENGTH).is_none();
        if !fits || text.chars().any(char::is_control) {
            return Err(InvalidInput::new(format!(
                "A name must have 1 to {} characters and no line breaks.",
                Self::MAX_LENGTH
            )));
        }
        check_visible("name", text)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let composed = Email::new("Ren\u{e9}@example.org").unwrap();
        assert_eq!(Email::new(" rene\u{301}@EXAMPLE.org").unwrap(), composed);
        assert_eq!(Email::for_account("rene\u{301}@example.org").unwrap(), composed);
        // The Kelvin sign.
        let kate = Email::new("kate@example.org").unwrap();
        assert_eq!(Email::for_account("\u{212a}ate@example.org").unwrap(), kate);
    }

    #[test]
    fn a_new_account_has_an_address_of_ordinary_characters() {
        for address in ["a\u{200b}na@example.org", "\u{ff41}na@example.org"] {
            assert!(Email::for_account(address).is_err(), "{address:?}");
            // One that was registered earlier still signs in.
            assert!(Email::new(address).is_ok(), "{address:?}");
        }
    }

    #[test]
    fn a_name_shows_what_it_is() {
        for name in ["Alice\u{202e}", "\u{200b}", "Al\u{200d}ice", "\u{3164}"] {
            assert!(DisplayName::new(name).is_err(), "{name:?}");
        }
        assert_eq!(DisplayName::new(" علی\u{200c}رضا ").unwrap().as_str(), "علی\u{200c}رضا");
    }
}
