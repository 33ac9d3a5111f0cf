//! Tokens in the payloads of `connection_init` and `ping`.

use serde_json::{Map, Value, value::RawValue};

/// The keys of a token, in order of precedence.
const KEYS: [&str; 4] = ["authToken", "token", "authorization", "Authorization"];

const SCHEME: &str = "Bearer ";

/// Returns the token in the payload of `connection_init`, without the prefix `Bearer` (RFC 6750, section 2.1) in any case.
///
/// Ignores values that are empty or not strings.
#[must_use]
pub fn token_in(payload: &Map<String, Value>) -> Option<&str> {
    KEYS.iter().find_map(|key| payload.get(*key)?.as_str().and_then(bare))
}

/// Returns the token in the payload of a `ping`, with which a client extends its session.
#[must_use]
pub fn token_in_ping(payload: &RawValue) -> Option<String> {
    // A payload nested too deeply to parse has no token. The pong still carries it.
    let payload: Map<String, Value> = serde_json::from_str(payload.get()).ok()?;
    token_in(&payload).map(str::to_owned)
}

/// Removes the prefix `Bearer`. `None` if nothing is left.
fn bare(value: &str) -> Option<&str> {
    let value = value.trim();
    let token = match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_start(),
        _ => value,
    };
    let is_token = !token.is_empty() && !token.eq_ignore_ascii_case(SCHEME.trim_end());
    is_token.then_some(token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token_of(payload: Value) -> Option<String> {
        let raw = serde_json::value::to_raw_value(&payload).expect("JSON");
        let in_ping = token_in_ping(&raw);
        assert_eq!(payload.as_object().and_then(token_in), in_ping.as_deref());
        in_ping
    }

    #[test]
    fn every_key_may_carry_the_token() {
        for key in KEYS {
            assert_eq!(token_of(json!({ key: "abc", "other": 1 })).as_deref(), Some("abc"));
        }
        let both = json!({ "authorization": "Bearer late", "token": 5, "authToken": "early" });
        assert_eq!(token_of(both).as_deref(), Some("early"));
    }

    #[test]
    fn the_prefix_bearer_is_removed_in_any_case() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc ", " abc"] {
            assert_eq!(token_of(json!({ "authorization": value })).as_deref(), Some("abc"));
        }
    }

    #[test]
    fn empty_and_other_values_are_ignored() {
        for value in
            [json!(""), json!("  "), json!("Bearer "), json!("bearer"), json!(null), json!(7)]
        {
            assert_eq!(token_of(json!({ "token": value })), None);
        }
        assert_eq!(token_of(json!({})), None);
        assert_eq!(token_of(json!(["token"])), None);
    }

    #[test]
    fn deeply_nested_payloads_have_no_token() {
        let deep = format!("{{\"token\":\"abc\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let raw = RawValue::from_string(deep).expect("JSON");
        assert_eq!(token_in_ping(&raw), None);
    }
}
