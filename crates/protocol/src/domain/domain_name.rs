//! The domains of e-mail addresses, which have two forms if they contain letters outside of ASCII (RFC 5890).

use idna::{AsciiDenyList, Errors, domain_to_ascii_cow, domain_to_unicode};

/// What a label begins with that encodes other letters in ASCII.
const ACE_PREFIX: &str = "xn--";

/// The forms of a domain with letters outside of ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DomainForms {
    /// With these letters, as in `münchen.de`. All spellings of the domain have the same.
    pub(super) unicode: String,
    /// As in `xn--mnchen-3ya.de`.
    pub(super) ascii: String,
}

impl DomainForms {
    /// Returns the forms of a domain in lower case. `None` if it has only one, because all its letters are in ASCII.
    ///
    /// # Errors
    /// It cannot be the name of a domain.
    pub(super) fn of(domain: &str) -> Result<Option<Self>, Errors> {
        let is_plain =
            domain.is_ascii() && !domain.split('.').any(|label| label.starts_with(ACE_PREFIX));
        if is_plain {
            return Ok(None);
        }
        let ascii = domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL)?.into_owned();
        let (unicode, converted) = domain_to_unicode(&ascii);
        converted?;
        Ok(Some(Self { unicode, ascii }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_domain_have_the_same_forms() {
        let ascii = "xn--mnchen-3ya.de".to_owned();
        let forms = DomainForms { unicode: "münchen.de".to_owned(), ascii };
        for spelling in ["münchen.de", "mu\u{308}nchen.de", "xn--mnchen-3ya.de", "ｍünchen。de"]
        {
            let found = DomainForms::of(spelling).unwrap();
            assert_eq!(found.as_ref(), Some(&forms), "{spelling}");
        }
        for plain in ["example.org", "localhost", "[127.0.0.1]", "a_b.example"] {
            assert!(matches!(DomainForms::of(plain), Ok(None)), "{plain}");
        }
        for invalid in ["%ü.de", "ü\u{378}.de"] {
            assert!(DomainForms::of(invalid).is_err(), "{invalid}");
        }
    }
}
