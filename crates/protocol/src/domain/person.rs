//! Users and accounts: the public part, and the part that only the account's user sees.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use icu_normalizer::ComposingNormalizerBorrowed;

use super::{
    InvalidInput, UserId,
    alphabets::check_alphabets,
    domain_name::DomainForms,
    visible_text::{check_visible, composed},
};

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

/// An e-mail address for signing in: trimmed, lower case, composed (NFC), with the letters of its domain instead of their ASCII
/// form, at most 254 bytes (RFC 5321, section 4.5.3.1.3). All spellings of a domain are the same address.
#[derive(Debug, Clone)]
pub struct Email {
    address: String,
    /// The address as it was written, in its own form, and with the domain in ASCII. Older accounts have any of these.
    spellings: Vec<String>,
}

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
            return Err(not_valid());
        }
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        Ok(Self::spelled(composed.to_lowercase()))
    }

    /// Returns the address that is spelled so. One whose domain cannot exist is kept as it is, for accounts that have it.
    fn spelled(written: String) -> Self {
        let (local, domain) = parts(&written);
        let forms = DomainForms::of(domain).ok().flatten();
        let forms = forms.map(|DomainForms { unicode, ascii }| {
            [unicode, ascii].map(|form| format!("{local}@{form}"))
        });
        let fits = |forms: &[String; 2]| forms[0].len() <= Self::MAX_LENGTH;
        let Some([address, in_ascii]) = forms.filter(fits) else {
            return Self { address: written.clone(), spellings: vec![written] };
        };
        let mut spellings = vec![written];
        for spelling in [address.clone(), in_ascii] {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
        Self { address, spellings }
    }

    /// Creates the address of a new account from user input. No two of these look the same because of compatibility
    /// characters, such as wide letters, or letters of different alphabets.
    ///
    /// # Errors
    /// As [`Email::new`], or if it contains format characters or compatibility characters, mixes alphabets, or has a domain that
    /// cannot exist.
    pub fn for_account(text: &str) -> Result<Self, InvalidInput> {
        let address = Self::new(text)?;
        check_visible("e-mail address", address.as_str())?;
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
        let nfkc = ComposingNormalizerBorrowed::new_nfkc();
        if !nfkc.is_normalized(&composed) || !nfkc.is_normalized(address.as_str()) {
            return Err(InvalidInput::new(
                "The e-mail address contains a character that looks like another one. Write it with ordinary letters.",
            ));
        }
        let (local, domain) = parts(address.as_str());
        let forms = DomainForms::of(domain).map_err(|_no_domain| not_valid())?;
        if forms.is_some_and(|forms| forms.unicode != domain) {
            return Err(not_valid());
        }
        check_alphabets(local, domain)?;
        Ok(address)
    }

    /// Returns the address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// Returns every text with which the address may have been stored, as it was written first.
    pub fn spellings(&self) -> impl Iterator<Item = &str> {
        self.spellings.iter().map(String::as_str)
    }

    /// Returns whether the address can be spelled in several ways.
    #[must_use]
    pub fn has_spellings(&self) -> bool {
        self.spellings.len() > 1
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

/// Returns the parts of an address before and after the `@`.
fn parts(address: &str) -> (&str, &str) {
    address.split_once('@').unwrap_or((address, ""))
}

fn not_valid() -> InvalidInput {
    InvalidInput::new(
        "The e-mail address is not valid. Enter one like name@example.org, of at most 254 bytes.",
    )
}

/// The name shown to others: 1 to 100 characters that readers see, composed (NFC), with single spaces between words.
///
/// Names that were stored earlier may have others; they are read as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The maximum length, in characters (Unicode scalar values).
    pub const MAX_LENGTH: usize = 100;

    /// Creates a name from user input. Removes surrounding white space, and replaces any between words by a space.
    ///
    /// # Errors
    /// If it is empty, longer than [`DisplayName::MAX_LENGTH`], or contains control characters or characters that readers do not
    /// see.
    pub fn new(text: &str) -> Result<Self, InvalidInput> {
        let composed = composed(text.trim(), Self::MAX_LENGTH)
            .filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
        let Some(text) = composed else {
            return Err(InvalidInput::new(format!(
                "A name must have 1 to {} characters and no line breaks.",
                Self::MAX_LENGTH
            )));
        };
        check_visible("name", &text)?;
        let words: Vec<_> = text.split_whitespace().collect();
        Ok(Self(words.join(" ").into()))
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
    fn all_spellings_of_a_domain_are_one_address() {
        let (letters, ascii) = ("ana@münchen.de", "ana@xn--mnchen-3ya.de");
        for spelling in [letters, ascii, "Ana@MÜNCHEN.de", "ana@XN--MNCHEN-3YA.de"] {
            for address in [Email::new(spelling).unwrap(), Email::for_account(spelling).unwrap()] {
                assert_eq!((address.as_str(), &address), (letters, &Email::new(letters).unwrap()));
            }
        }
        let spellings =
            |address| Email::new(address).unwrap().spellings().collect::<Vec<_>>().join(" ");
        assert_eq!(spellings(ascii), format!("{ascii} {letters}"));
        assert_eq!(spellings(letters), format!("{letters} {ascii}"));
        assert_eq!(spellings("ana@example.org"), "ana@example.org");
        // One that was registered before domains had one form.
        assert_eq!(spellings("ana@ｍünchen.de"), format!("ana@ｍünchen.de {letters} {ascii}"));
    }

    #[test]
    fn a_new_account_has_an_address_of_ordinary_characters() {
        for address in [
            "a\u{200b}na@example.org",
            "\u{ff41}na@example.org",
            "\u{430}lice@example.org",
            "alice@ex\u{430}mple.org",
            "ana@%ü.example",
        ] {
            assert!(Email::for_account(address).is_err(), "{address:?}");
            // One that was registered earlier still signs in.
            assert!(Email::new(address).is_ok(), "{address:?}");
        }
    }

    #[test]
    fn a_name_shows_what_it_is() {
        for name in
            ["Alice\u{202e}", "\u{200b}", "Al\u{200d}ice", "\u{3164}", "\u{301}", "\u{2800}"]
        {
            assert!(DisplayName::new(name).is_err(), "{name:?}");
        }
        for (written, shown) in
            [("Zoe\u{308}", "Zo\u{eb}"), ("Ana \u{a0}\u{2003} Mari\u{301}a", "Ana Mar\u{ed}a")]
        {
            assert_eq!(DisplayName::new(written).unwrap().as_str(), shown);
        }
        // The length counts after composition.
        assert!(DisplayName::new(&"e\u{301}".repeat(100)).is_ok());
        assert!(DisplayName::new(&"e\u{301}".repeat(101)).is_err());
        assert_eq!(DisplayName::new(" علی\u{200c}رضا ").unwrap().as_str(), "علی\u{200c}رضا");
    }
}
