//! Which tokens of an outside issuer are accepted, and for which user.

use std::fs;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, Header};
use kit::SigningKey;
use serde_json::json;
use tempfile::TempDir;

use super::{super::options::examples::company, *};

/// An issuer whose keys are in a file.
struct Company {
    issuer: Issuer,
    folder: TempDir,
}

impl Company {
    fn with(keys: &[&SigningKey], options: IssuerOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let keys_option = Some(file.to_str().unwrap().to_owned());
        let options = IssuerOptions { keys: keys_option, ..options };
        let issuer = Issuer::new(options, Duration::from_secs(5)).unwrap();
        let company = Self { issuer, folder };
        company.publish(keys);
        company
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        let set = json!({ "keys": keys }).to_string();
        fs::write(self.folder.path().join("keys.json"), set).unwrap();
    }

    async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.issuer.verify(token, noon()).await
    }
}

fn noon() -> DateTime<Utc> {
    "2031-05-17T12:00:00Z".parse().unwrap()
}

/// Returns claims that are valid for an hour from noon, with `changes` applied.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.org",
        "aud": "coscribe",
        "sub": "auth0|4711",
        "exp": noon().timestamp() + 3600,
        "name": "Ana",
        "email": "ana@example.org",
        "email_verified": true,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn a_token_of_each_algorithm_names_its_user() {
    let keys = [SigningKey::rs256("r"), SigningKey::es256("e"), SigningKey::ed_dsa("d")];
    let company = Company::with(&keys.each_ref(), company());
    for key in &keys {
        let claims = company.verify(&key.sign(&claims(json!({})))).await.unwrap();
        let Subject::Outside(subject) = claims.subject else { panic!("not an outside subject") };
        assert_eq!(
            (&*subject.issuer, &*subject.subject),
            ("https://login.example.org", "auth0|4711")
        );
        assert_eq!(claims.name.as_deref(), Some("Ana"));
        assert_eq!(claims.email.as_deref(), Some("ana@example.org"));
        assert!(claims.is_email_verified);
        assert_eq!(claims.expires_at, noon() + TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn a_token_must_be_for_this_server_from_this_issuer_and_in_time() {
    let key = SigningKey::ed_dsa("d");
    let company = Company::with(&[&key], company());
    let at = |offset: i64| noon().timestamp() + offset;
    for (changes, expected) in [
        (json!({ "aud": ["other", "coscribe"] }), Ok(())),
        (json!({ "aud": "other" }), Err(TokenError::WrongAudience)),
        (json!({ "aud": [] }), Err(TokenError::WrongAudience)),
        (json!({ "aud": null }), Err(TokenError::WrongAudience)),
        (json!({ "iss": "https://login.example.org/" }), Err(TokenError::WrongIssuer)),
        (json!({ "iss": null }), Err(TokenError::WrongIssuer)),
        (json!({ "exp": at(-4) }), Ok(())),
        (json!({ "exp": at(-5) }), Err(TokenError::Expired)),
        (json!({ "exp": null }), Err(TokenError::NoExpiry)),
        (json!({ "nbf": at(6) }), Err(TokenError::NotYetValid)),
        (json!({ "sub": "ü".repeat(255) }), Ok(())),
        (json!({ "sub": "s".repeat(256) }), Err(TokenError::BadSubject)),
        (json!({ "sub": "" }), Err(TokenError::BadSubject)),
        (json!({ "sub": "a\u{0}b" }), Err(TokenError::BadSubject)),
        (json!({ "sub": null }), Err(TokenError::BadSubject)),
        (json!({ "sub": 17 }), Err(TokenError::Malformed)),
    ] {
        let verified = company.verify(&key.sign(&claims(changes.clone()))).await;
        assert_eq!(verified.map(drop), expected, "{changes}");
    }
}

#[tokio::test]
async fn the_key_decides_the_algorithm() {
    let (rsa, ec) = (SigningKey::rs256("k"), SigningKey::es256("e"));
    let only_es256 = IssuerOptions { algorithms: vec![SignatureAlgorithm::Es256], ..company() };
    let strict = Company::with(&[&rsa, &ec], only_es256);
    let lax = Company::with(&[&rsa, &ec], company());
    let claims = claims(json!({}));
    assert_eq!(strict.verify(&rsa.sign(&claims)).await, Err(TokenError::WrongAlgorithm));
    // The public half of the key as the secret of HS256.
    let secret =
        jsonwebtoken::EncodingKey::from_secret(rsa.public()["n"].as_str().unwrap().as_bytes());
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::HS256) };
    let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    assert_eq!(lax.verify(&forged).await, Err(TokenError::WrongAlgorithm));
    // The key of another algorithm.
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
    assert_eq!(lax.verify(&ec.sign_as(header, &claims)).await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn a_token_of_another_key_is_refused() {
    let (key, other) = (SigningKey::ed_dsa("d"), SigningKey::ed_dsa("d"));
    let company = Company::with(&[&key], company());
    let verified = company.verify(&other.sign(&claims(json!({})))).await;
    assert_eq!(verified, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_token_may_leave_out_the_key_id() {
    let (older, newer) = (SigningKey::ed_dsa("older"), SigningKey::ed_dsa("newer"));
    let company = Company::with(&[&older, &newer], company());
    let token = newer.sign_as(Header::new(Algorithm::EdDSA), &claims(json!({})));
    assert!(company.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_token_of_another_purpose_is_refused() {
    let key = SigningKey::ed_dsa("d");
    let company = Company::with(&[&key], company());
    for (typ, expected) in [
        (Some("JWT"), Ok(())),
        (None, Ok(())),
        (Some("at+jwt"), Ok(())),
        (Some("application/AT+JWT"), Ok(())),
        (Some("logout+jwt"), Err(TokenError::WrongType)),
        (Some("application/secevent+JWT"), Err(TokenError::WrongType)),
    ] {
        let header = Header { typ: typ.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        let verified = company.verify(&key.sign_as(header, &claims(json!({})))).await;
        assert_eq!(verified.map(drop), expected, "{typ:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_for_the_first_token_that_it_has_signed() {
    let (older, newer) = (SigningKey::ed_dsa("older"), SigningKey::ed_dsa("newer"));
    let company = Company::with(&[&older], company());
    let claims = claims(json!({}));
    assert!(company.verify(&older.sign(&claims)).await.is_ok());
    company.publish(&[&newer]);
    let token = newer.sign(&claims);
    assert_eq!(company.verify(&token).await, Err(TokenError::UnknownKey));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(company.verify(&token).await.is_ok());
    // The issuer has taken the older one back.
    assert_eq!(company.verify(&older.sign(&claims)).await, Err(TokenError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_token_is_neither_valid_nor_invalid() {
    let key = SigningKey::ed_dsa("d");
    let company = Company::with(&[&key], company());
    fs::write(company.folder.path().join("keys.json"), "not JSON").unwrap();
    let token = key.sign(&claims(json!({})));
    assert_eq!(company.verify(&token).await, Err(TokenError::NoKeys));
    company.publish(&[&key]);
    assert_eq!(company.verify(&token).await, Err(TokenError::NoKeys));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(company.verify(&token).await.is_ok());
}
