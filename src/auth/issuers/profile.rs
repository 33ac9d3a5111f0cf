//! What a token says of its user, in claims whose names are settings.

use serde_json::Value;

use super::IssuerOptions;

/// What a token says of its user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) is_email_verified: bool,
    /// The names of groups. None if the settings name no claim for them.
    pub(super) groups: Option<Vec<String>>,
}

/// The most groups of a user that are read.
const MAX_GROUPS: usize = 200;

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
            groups: options.groups_claim.as_ref().map(|claim| groups(find(claims, claim))),
        }
    }
}

/// Returns the groups of a claim: a list of names, or one name. Without the claim there are none, because many providers leave out
/// empty lists.
fn groups(claim: Option<&Value>) -> Vec<String> {
    let names = match claim {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name @ Value::String(_)) => std::slice::from_ref(name),
        _ => &[],
    };
    let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
    names.take(MAX_GROUPS).collect()
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
    fn groups_are_names_of_a_list_or_one_name() {
        let options = IssuerOptions { groups_claim: Some("realm.groups".to_owned()), ..company() };
        for (claims, expected) in [
            (json!({ "realm": { "groups": ["design", 1, "sales"] } }), &["design", "sales"][..]),
            (json!({ "realm": { "groups": "design" } }), &["design"]),
            (json!({ "realm": {} }), &[]),
            (json!({ "groups": ["design"] }), &[]),
        ] {
            assert_eq!(Profile::read(&claims, &options).groups.unwrap(), expected, "{claims}");
        }
        let many = json!({ "realm": { "groups": vec!["x"; MAX_GROUPS + 1] } });
        assert_eq!(Profile::read(&many, &options).groups.unwrap().len(), MAX_GROUPS);
        let unset = IssuerOptions { groups_claim: None, ..company() };
        assert_eq!(Profile::read(&json!({ "groups": ["design"] }), &unset).groups, None);
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
        let missing = Profile { name: None, email: None, is_email_verified: false, groups: None };
        assert_eq!(read(&claims), missing);
    }
}
