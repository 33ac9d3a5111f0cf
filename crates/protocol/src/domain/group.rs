//! Groups of users, as identity providers and applications name them.

use std::{fmt, sync::Arc};

use super::OutsideSubject;

/// The name of a group, and who names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName {
    source: Arc<str>,
    name: Arc<str>,
}

impl GroupName {
    /// The most characters of a name, and of a source.
    pub const MAX_LENGTH: usize = 255;

    /// Returns the group with this name at a source: the `iss` claim of an issuer, or [`OutsideSubject::APPLICATION`] with the
    /// name of an application. `None` if the name or the source is empty or too long, or contains control characters.
    #[must_use]
    pub fn new(source: impl Into<Arc<str>>, name: &str) -> Option<Self> {
        let source = source.into();
        (is_valid(&source) && is_valid(name)).then(|| Self { source, name: name.into() })
    }

    /// Returns who names it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns its name there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns who names it, as users know them: the issuer, or the application.
    #[must_use]
    pub fn shown_source(&self) -> &str {
        self.source.strip_prefix(OutsideSubject::APPLICATION).unwrap_or(&self.source)
    }
}

fn is_valid(text: &str) -> bool {
    let fits = !text.is_empty() && text.chars().nth(GroupName::MAX_LENGTH).is_none();
    fits && !text.chars().any(char::is_control)
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {} of {}", self.name, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_bounds() {
        let name = GroupName::new("application:wiki", "Design").unwrap();
        assert_eq!((name.shown_source(), name.name()), ("wiki", "Design"));
        let long = "x".repeat(GroupName::MAX_LENGTH + 1);
        for refused in ["", "a\nb", &long] {
            assert!(GroupName::new("wiki", refused).is_none(), "{refused:?}");
        }
        assert!(GroupName::new("", "Design").is_none());
        assert!(GroupName::new("wiki", &long[1..]).is_some());
    }
}
