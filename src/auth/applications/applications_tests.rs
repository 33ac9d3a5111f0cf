//! Which document tokens are accepted, and what they grant.

use jsonwebtoken::{Algorithm, Header};
use kit::SigningKey;
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{SignatureAlgorithm, Subject},
    domain::{AccessLevel, DocumentId, DocumentName},
};

fn noon() -> DateTime<Utc> {
    "2031-05-17T12:00:00Z".parse().unwrap()
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "wiki",
        "aud": "coscribe",
        "sub": "4711",
        "jti": "one",
        "iat": noon().timestamp() - 60,
        "exp": noon().timestamp() + 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn registered(key: &SigningKey, application: &str) -> RegisteredKey {
    RegisteredKey::read(&key.id, application, &key.public().to_string()).unwrap()
}

fn accepting(keys: impl IntoIterator<Item = RegisteredKey>) -> ApplicationKeys {
    let options = DocumentTokenOptions {
        audience: "coscribe".to_owned(),
        life: Duration::from_secs(24 * 3600),
        leeway: Duration::from_secs(5),
    };
    let accepting = ApplicationKeys::new(options);
    accepting.replace(keys);
    accepting
}

#[test]
fn a_token_grants_levels_on_documents_to_a_user_of_the_application() {
    for key in [SigningKey::rs256("r"), SigningKey::es256("e"), SigningKey::ed_dsa("d")] {
        let keys = accepting([registered(&key, "wiki")]);
        let (one, two) = (DocumentId::new(), DocumentId::new());
        let documents = json!({ one.to_string(): "VIEW", two.to_string(): "OWNER" });
        let token = key.sign(&claims(json!({ "name": "Ana", "documents": documents })));
        let claims = keys.verify(&token, noon()).unwrap();

        let Subject::Outside(subject) = &claims.subject else { panic!("not an outside subject") };
        assert_eq!((&*subject.issuer, &*subject.subject), ("application:wiki", "4711"));
        assert_eq!(claims.name.as_deref(), Some("Ana"));
        let grants = claims.grants.unwrap();
        let levels = [(one, AccessLevel::View), (two, AccessLevel::Owner)];
        let levels = levels.map(|(id, level)| (DocumentName::Id(id), level));
        assert_eq!(grants.levels, std::collections::BTreeMap::from(levels));
        assert_eq!((&*grants.application, &*grants.key_id), ("wiki", &*key.id));
        assert_eq!(claims.sign_in.id, DocumentGrants::sign_in("wiki", "one"));
        assert_ne!(claims.sign_in.id, DocumentGrants::sign_in("wik", "ione"));
    }
}

#[test]
fn a_token_breaks_no_rule() {
    let key = SigningKey::ed_dsa("d");
    let keys = accepting([registered(&key, "wiki")]);
    let at = |offset: i64| noon().timestamp() + offset;
    let many: serde_json::Map<_, _> =
        (0..101).map(|_| (DocumentId::new().to_string(), json!("VIEW"))).collect();
    let document = DocumentId::new().to_string();
    for (changes, expected) in [
        (json!({}), Ok(())),
        (json!({ "documents": {} }), Ok(())),
        (json!({ "sub": "wiki" }), Ok(())),
        (json!({ "aud": ["x", "coscribe"] }), Ok(())),
        (json!({ "exp": at(-4) }), Ok(())),
        (json!({ "exp": at(-5) }), Err(TokenError::Expired)),
        (json!({ "exp": null }), Err(TokenError::NoExpiry)),
        (json!({ "exp": at(24 * 3600), "iat": at(0) }), Ok(())),
        (json!({ "exp": at(24 * 3600), "iat": at(-1) }), Err(TokenError::LivesTooLong)),
        (json!({ "exp": at(60), "iat": at(-24 * 3600) }), Err(TokenError::LivesTooLong)),
        (json!({ "iat": null }), Err(TokenError::LivesTooLong)),
        (json!({ "exp": at(24 * 3600), "iat": at(5) }), Ok(())),
        (json!({ "iat": at(6) }), Err(TokenError::NotYetValid)),
        (json!({ "nbf": at(60) }), Err(TokenError::NotYetValid)),
        (json!({ "aud": "x" }), Err(TokenError::WrongAudience)),
        (json!({ "aud": null }), Err(TokenError::WrongAudience)),
        (json!({ "iss": "other" }), Err(TokenError::WrongIssuer)),
        (json!({ "iss": null }), Err(TokenError::WrongIssuer)),
        (json!({ "sub": null }), Err(TokenError::BadSubject)),
        (json!({ "sub": "a\nb" }), Err(TokenError::BadSubject)),
        (json!({ "jti": null }), Err(TokenError::NoTokenId)),
        (json!({ "jti": "" }), Err(TokenError::NoTokenId)),
        (json!({ "jti": "x".repeat(256) }), Err(TokenError::NoTokenId)),
        (json!({ "jti": 7 }), Err(TokenError::Malformed)),
        (json!({ "documents": many }), Err(TokenError::BadDocuments)),
        (json!({ "documents": { "no id": "VIEW" } }), Err(TokenError::BadDocuments)),
        (json!({ "documents": { document.clone(): "ADMIN" } }), Err(TokenError::BadDocuments)),
        (json!({ "documents": { document: "view" } }), Err(TokenError::BadDocuments)),
        (json!({ "documents": ["x"] }), Err(TokenError::BadDocuments)),
        (json!({ "documents": "x" }), Err(TokenError::BadDocuments)),
    ] {
        let verified = keys.verify(&key.sign(&claims(changes.clone())), noon());
        assert_eq!(verified.map(drop), expected, "{changes}");
    }
}

#[test]
fn a_key_signs_for_its_own_application_with_its_own_algorithm() {
    let (wiki, chat) = (SigningKey::ed_dsa("wiki key"), SigningKey::rs256("chat key"));
    let keys = accepting([registered(&wiki, "wiki"), registered(&chat, "chat")]);
    let verify = |token: String| keys.verify(&token, noon()).map(drop);

    assert_eq!(verify(chat.sign(&claims(json!({})))), Err(TokenError::WrongIssuer));
    let header = |algorithm, kid: Option<&str>| Header {
        kid: kid.map(str::to_owned),
        ..Header::new(algorithm)
    };
    let signed = |header| wiki.sign_as(header, &claims(json!({})));
    assert_eq!(verify(signed(header(Algorithm::EdDSA, Some("wiki key")))), Ok(()));
    for (kid, expected) in [
        (None, TokenError::UnknownKey),
        (Some("other"), TokenError::UnknownKey),
        (Some("chat key"), TokenError::WrongAlgorithm),
    ] {
        assert_eq!(verify(signed(header(Algorithm::EdDSA, kid))), Err(expected));
    }
    let other = SigningKey::ed_dsa("wiki key");
    assert_eq!(verify(other.sign(&claims(json!({})))), Err(TokenError::BadSignature));

    let token = wiki.sign(&claims(json!({})));
    keys.replace([registered(&chat, "chat")]);
    assert_eq!(verify(token), Err(TokenError::UnknownKey));
    assert_eq!((keys.knows("wiki"), keys.knows("chat")), (false, true));
}

#[test]
fn keys_may_be_pem_but_neither_private_nor_weak() {
    let pem =
        |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let ed25519 = pem("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    let p256 = pem("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n\
         q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==");
    for (text, algorithm) in
        [(&ed25519, SignatureAlgorithm::EdDsa), (&p256, SignatureAlgorithm::Es256)]
    {
        assert_eq!(RegisteredKey::read("k", "wiki", text).unwrap().algorithm, algorithm);
    }
    for text in [
        "",
        "{}",
        "no key",
        &ed25519.replace("PUBLIC", "PRIVATE"),
        &pem("MCowBQYDK2VwAyEA"),
        &pem("%%%"),
        // RSA with 512 bits.
        &pem("MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n\
             9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="),
        r#"{ "kty": "oct", "k": "c2VjcmV0" }"#,
    ] {
        assert_eq!(RegisteredKey::read("k", "wiki", text).map(drop), Err(KeyTextError), "{text}");
    }
    let jwk = SigningKey::es256("named").public().to_string();
    assert_eq!(RegisteredKey::id_in(&jwk).as_deref(), Some("named"));
    assert_eq!(RegisteredKey::id_in(&ed25519), None);
}
