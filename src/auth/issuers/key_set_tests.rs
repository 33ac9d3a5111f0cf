//! Which keys of a JWK Set are used, and for which tokens.

use kit::SigningKey;
use serde_json::{Value, json};

use super::*;

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// Returns the public half of a key, with changes to its members.
fn jwk(key: &SigningKey, changes: Value) -> Value {
    let mut jwk = key.public();
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

fn count(set: &KeySet, id: Option<&str>, algorithm: SignatureAlgorithm) -> usize {
    set.find(id, algorithm).len()
}

#[test]
fn a_key_verifies_tokens_of_its_id_and_algorithm_only() {
    let (rsa, ec) = (SigningKey::rs256("r"), SigningKey::es256("e"));
    let set = parse(&[rsa.public(), ec.public(), SigningKey::ed_dsa("d").public()]).unwrap();
    for (id, algorithm, expected) in [
        (Some("r"), SignatureAlgorithm::Rs256, 1),
        (Some("r"), SignatureAlgorithm::Es256, 0),
        (Some("e"), SignatureAlgorithm::Es256, 1),
        (Some("d"), SignatureAlgorithm::EdDsa, 1),
        (Some("x"), SignatureAlgorithm::Rs256, 0),
        (None, SignatureAlgorithm::Es256, 1),
    ] {
        assert_eq!(count(&set, id, algorithm), expected, "{id:?} {algorithm:?}");
    }
}

#[test]
fn keys_for_other_uses_are_left_out() {
    let key = SigningKey::es256("e");
    for changes in [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["sign"] }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "ECDH-ES" }),
        json!({ "crv": "P-384" }),
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        json!({ "x": "not base64!" }),
    ] {
        let other = parse(&[jwk(&key, changes.clone())]);
        assert!(matches!(other, Err(KeySetError::NoUsableKey)), "{changes}");
    }
    for changes in
        [json!({ "use": "sig" }), json!({ "key_ops": ["verify"] }), json!({ "alg": "ES256" })]
    {
        assert!(parse(&[jwk(&key, changes.clone())]).is_ok(), "{changes}");
    }
}

#[test]
fn a_key_that_cannot_be_used_does_not_stop_the_others() {
    let keys =
        [json!({}), json!("text"), json!({ "kty": "new" }), SigningKey::ed_dsa("d").public()];
    assert_eq!(count(&parse(&keys).unwrap(), Some("d"), SignatureAlgorithm::EdDsa), 1);
}

#[test]
fn the_length_of_an_rsa_key_is_bounded_both_ways() {
    let with_bytes = |bytes: usize| {
        let modulus = [vec![0], vec![0xff; bytes]].concat();
        parse(&[json!({ "kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus) })])
    };
    for (bytes, is_used) in [(255, false), (256, true), (512, true), (513, false), (10_000, false)]
    {
        assert_eq!(with_bytes(bytes).is_ok(), is_used, "{bytes}");
    }
}

#[test]
fn the_number_of_keys_is_bounded() {
    let key = SigningKey::ed_dsa("d").public();
    let of = |count: usize| parse(&vec![key.clone(); count]);
    assert!(matches!(of(101), Err(KeySetError::TooMany { count: 101 })));
    let set = of(100).unwrap();
    assert_eq!(count(&set, None, SignatureAlgorithm::EdDsa), KeySet::MAX_CANDIDATES);
}

#[test]
fn a_text_without_keys_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys": 1}"#, "<html>"] {
        assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::Malformed(_))), "{text}");
    }
    assert!(matches!(parse(&[]), Err(KeySetError::NoUsableKey)));
}
