//! Users of outside issuers, as these name them.

use std::{fmt, sync::Arc};

/// A user as an outside issuer names them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OutsideSubject {
    /// The `iss` claim of the issuer's tokens, or [`OutsideSubject::APPLICATION`] with the name of an application.
    pub issuer: Arc<str>,
    /// The `sub` claim: 1 to [`OutsideSubject::MAX_LENGTH`] characters, none of them a control character. Two subjects
    /// are the same if their bytes are.
    pub subject: Arc<str>,
}

impl OutsideSubject {
    /// What the issuer of an application's users begins with. The name of the application follows.
    pub const APPLICATION: &str = "application:";

    /// The most characters of a subject (OpenID Connect Core 1.0, section 2).
    pub const MAX_LENGTH: usize = 255;

    /// Returns the user whom this issuer names so. `None` if the subject is empty or too long, or contains control
    /// characters.
    #[must_use]
    pub fn new(issuer: Arc<str>, subject: &str) -> Option<Self> {
        let fits = !subject.is_empty() && subject.chars().nth(Self::MAX_LENGTH).is_none();
        let is_plain = !subject.chars().any(char::is_control);
        (fits && is_plain).then(|| Self { issuer, subject: subject.into() })
    }
}

impl fmt::Debug for OutsideSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.subject, self.issuer)
    }
}
