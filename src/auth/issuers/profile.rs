//! What a token says of its user, in claims whose names are settings.

use serde_json::Value;

use super::IssuerOptions;

/// What a token says of its user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) is_email_verified: bool,
}

impl Profile {
    /// Reads the profile from the claims of a token. A claim of another type counts as missing.
    pub(super) fn read(claims: &Value, options: &IssuerOptions) -> Self {
        let text = |name: &str| find(claims, name).and_then(Value::as_str).map(str::to_owned);
        let is_email_verified = match find(claims, &options.email_verified_claim) {
            Some(Value::Bool(is_verified)) => *is_verified,
            // Some providers send text.
            Some(Value::String(word)) => word == "true",
            _ => false,
        };
        Self {
            name: text(&options.name_claim),
            email: text(&options.email_claim),
            is_email_verified,
        }
    }
}

/// Returns the claim with this name. A name with dots may be a path into objects; a claim with exactly this name comes first,
/// because names may be addresses.
fn find<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    let whole = claims.get(name);
    whole.or_else(|| name.split('.').try_fold(claims, |value, part| value.get(part)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::options::examples::company, *};

    fn read(claims: &Value) -> Profile {
        let options = IssuerOptions {
            name_claim: "profile.name".to_owned(),
            email_claim: "https://example.org/email".to_owned(),
            ..company()
        };
        Profile::read(claims, &options)
    }

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims = json!({
            "profile": { "name": "Ana" },
            "https://example.org/email": "ana@example.org",
            "email_verified": true,
        });
        let profile = read(&claims);
        assert_eq!(profile.name.as_deref(), Some("Ana"));
        assert_eq!(profile.email.as_deref(), Some("ana@example.org"));
        assert!(profile.is_email_verified);
    }

    #[test]
    fn an_address_is_verified_only_if_the_issuer_says_so() {
        for (verified, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!(1), false),
            (json!("TRUE "), false),
            (json!(null), false),
            (json!([true]), false),
        ] {
            let claims = json!({ "email_verified": verified });
            assert_eq!(read(&claims).is_email_verified, expected, "{verified}");
        }
        assert!(!read(&json!({})).is_email_verified);
    }

    #[test]
    fn claims_of_another_type_count_as_missing() {
        let claims = json!({ "profile": "Ana", "https://example.org/email": ["ana@example.org"] });
        let missing = Profile { name: None, email: None, is_email_verified: false };
        assert_eq!(read(&claims), missing);
    }
}
