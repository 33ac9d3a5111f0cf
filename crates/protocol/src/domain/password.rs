//! Passwords as they are hashed.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Returns a password in the form in which it is hashed: NFKC (NIST SP 800-63B, section 5.1.1.2). Keyboards write the same
/// letter in different ways.
#[must_use]
pub fn normalized_password(password: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfkc().normalize(password)
}
