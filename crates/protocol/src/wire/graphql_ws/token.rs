//! Where a client may put its token: `authToken`, `token` or `authorization` of a payload.

use serde_json::{Map, Value, value::RawValue};

/// In the order in which they are tried.
const KEYS: [&str; 4] = ["authToken", "token", "authorization", "Authorization"];

const SCHEME: &str = "Bearer ";

/// The token in the payload of `connection_init`, without a `Bearer` before it (in any case, RFC 6750, section 2.1).
///
/// An empty value, or one that is no string, counts as none.
#[must_use]
pub fn token_in(payload: &Map<String, Value>) -> Option<&str> {
    KEYS.iter().find_map(|key| payload.get(*key)?.as_str().and_then(bare))
}

/// The token in the payload of a `ping`, where a client puts a fresh one to extend its session.
#[must_use]
pub fn token_in_ping(payload: &RawValue) -> Option<String> {
    // A payload that is nested too deeply to be read carries no token, and is still echoed.
    let payload: Map<String, Value> = serde_json::from_str(payload.get()).ok()?;
    token_in(&payload).map(str::to_owned)
}

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

    fn found(payload: Value) -> Option<String> {
        let raw = serde_json::value::to_raw_value(&payload).expect("JSON");
        let in_ping = token_in_ping(&raw);
        assert_eq!(payload.as_object().and_then(token_in), in_ping.as_deref());
        in_ping
    }

    #[test]
    fn each_key_carries_a_token() {
        for key in KEYS {
            assert_eq!(found(json!({ key: "abc", "other": 1 })).as_deref(), Some("abc"));
        }
        let both = json!({ "authorization": "Bearer late", "token": 5, "authToken": "early" });
        assert_eq!(found(both).as_deref(), Some("early"));
    }

    #[test]
    fn bearer_is_taken_off_in_any_case() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc ", " abc"] {
            assert_eq!(found(json!({ "authorization": value })).as_deref(), Some("abc"));
        }
    }

    #[test]
    fn what_is_no_token_counts_as_none() {
        for value in
            [json!(""), json!("  "), json!("Bearer "), json!("bearer"), json!(null), json!(7)]
        {
            assert_eq!(found(json!({ "token": value })), None);
        }
        assert_eq!(found(json!({})), None);
        assert_eq!(found(json!(["token"])), None);
    }

    #[test]
    fn deep_payloads_carry_none() {
        let deep = format!("{{\"token\":\"abc\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let raw = RawValue::from_string(deep).expect("JSON");
        assert_eq!(token_in_ping(&raw), None);
    }
}
