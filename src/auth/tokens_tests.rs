//! What is accepted as a token, and as whose.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Secret, SigningKeys, TokenError, TokenOptions, Tokens};
use crate::{
    domain::{User, UserId},
    metrics::Metrics,
};

const SECRET: &str = "a secret that only these tests know";

fn keys() -> SigningKeys {
    SigningKeys::from_secret(&Secret::new(SECRET)).unwrap()
}

fn options() -> TokenOptions {
    TokenOptions {
        life: Duration::from_secs(3600),
        leeway: Duration::ZERO,
        issuer: None,
        audience: None,
    }
}

fn tokens() -> Tokens {
    Tokens::new(keys(), options())
}

fn ana() -> User {
    User { id: UserId::new(), name: "Ana".into() }
}

fn noon() -> DateTime<Utc> {
    "2031-05-17T12:00:00Z".parse().unwrap()
}

fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

/// Claims that are good for an hour from noon, with `changes` on top.
fn claims(changes: Value) -> Value {
    let mut claims = json!({ "sub": UserId::new(), "exp": noon().timestamp() + 3600 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// What becomes of a token with these claims, properly signed.
fn judge(tokens: &Tokens, changes: Value) -> Result<super::Claims, TokenError> {
    tokens.verify(&keys().sign(&claims(changes)), noon())
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_minted_token_says_whose_it_is_until_it_expires() {
    let (tokens, ana) = (tokens(), ana());
    let minted = tokens.mint(&ana, noon() + TimeDelta::milliseconds(700));

    assert_eq!(minted.expires_at, noon() + seconds(3600));
    let claims = tokens.verify(&minted.token, noon() + seconds(1)).unwrap();
    assert_eq!(claims.user, ana.id);
    assert_eq!(claims.name.as_deref(), Some("Ana"));
    assert_eq!(claims.email, None);
    assert_eq!(claims.expires_at, minted.expires_at);

    let last_moment = minted.expires_at - TimeDelta::milliseconds(1);
    assert!(tokens.verify(&minted.token, last_moment).is_ok());
    assert_eq!(tokens.verify(&minted.token, minted.expires_at), Err(TokenError::Expired));
}

#[test]
fn a_token_is_good_in_the_moment_it_is_minted() {
    let now = noon() + TimeDelta::milliseconds(1);
    assert!(tokens().verify(&tokens().mint(&ana(), now).token, now).is_ok());
}

#[test]
fn leeway_forgives_clocks_that_are_a_little_off_and_no_more() {
    let lenient = Tokens::new(keys(), TokenOptions { leeway: Duration::from_secs(5), ..options() });
    let at = |offset: i64| noon().timestamp() + offset;

    assert!(judge(&lenient, json!({ "exp": at(-4) })).is_ok());
    assert_eq!(judge(&lenient, json!({ "exp": at(-5) })), Err(TokenError::Expired));
    for claim in ["nbf", "iat"] {
        assert!(judge(&lenient, json!({ claim: at(5) })).is_ok());
        assert_eq!(judge(&lenient, json!({ claim: at(6) })), Err(TokenError::NotYetValid));
        assert!(judge(&tokens(), json!({ claim: at(0) })).is_ok());
        assert_eq!(judge(&tokens(), json!({ claim: at(1) })), Err(TokenError::NotYetValid));
    }
}

#[test]
fn a_token_needs_an_expiry_that_is_a_time() {
    let token = |claims: Value| tokens().verify(&keys().sign(&claims), noon());

    assert_eq!(token(json!({ "sub": UserId::new() })), Err(TokenError::NoExpiry));
    assert_eq!(judge(&tokens(), json!({ "exp": null })), Err(TokenError::NoExpiry));
    let fraction = noon().timestamp() as f64 + 0.5;
    assert!(judge(&tokens(), json!({ "exp": fraction })).is_ok());
    for exp in [json!("2099-01-01"), json!(i64::MAX), json!(u64::MAX), json!(1e300), json!([])] {
        assert_eq!(judge(&tokens(), json!({ "exp": exp })), Err(TokenError::Malformed), "{exp}");
    }
    for exp in [json!(-1), json!(0)] {
        assert_eq!(judge(&tokens(), json!({ "exp": exp })), Err(TokenError::Expired), "{exp}");
    }
}

#[test]
fn the_furthest_times_overflow_nothing() {
    let forever = Tokens::new(
        keys(),
        TokenOptions { life: Duration::MAX, leeway: Duration::from_secs(u64::MAX), ..options() },
    );
    let minted = forever.mint(&ana(), noon());
    assert!(forever.verify(&minted.token, DateTime::<Utc>::MIN_UTC).is_ok());
    assert!(forever.verify(&minted.token, DateTime::<Utc>::MAX_UTC).is_ok());
}

#[test]
fn a_subject_is_a_user_id() {
    for sub in [json!("alice"), json!(""), json!(null)] {
        assert_eq!(judge(&tokens(), json!({ "sub": sub })), Err(TokenError::BadSubject), "{sub}");
    }
}

#[test]
fn name_and_address_come_along_for_enrolment() {
    let claims = judge(&tokens(), json!({ "name": "Bo", "email": "bo@example.org" })).unwrap();
    assert_eq!(claims.name.as_deref(), Some("Bo"));
    assert_eq!(claims.email.as_deref(), Some("bo@example.org"));
}

#[test]
fn another_key_signed_it() {
    let other =
        SigningKeys::from_secret(&Secret::new("quite another secret, just as long")).unwrap();
    let token = Tokens::new(other, options()).mint(&ana(), noon()).token;
    assert_eq!(tokens().verify(&token, noon()), Err(TokenError::BadSignature));
}

#[test]
fn changed_claims_are_noticed() {
    let token = keys().sign(&claims(json!({})));
    let parts: Vec<_> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], encoded(&claims(json!({}))), parts[2]);
    assert_eq!(tokens().verify(&forged, noon()), Err(TokenError::BadSignature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(tokens().verify(&unsigned, noon()), Err(TokenError::BadSignature));
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    let bytes = SECRET.as_bytes();
    let key = jsonwebtoken::EncodingKey::from_secret(bytes);
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512);
    let hs512 = jsonwebtoken::encode(&header, &claims(json!({})), &key).unwrap();
    assert_eq!(tokens().verify(&hs512, noon()), Err(TokenError::WrongAlgorithm));

    let token = keys().sign(&claims(json!({})));
    let (_, rest) = token.split_once('.').unwrap();
    for alg in ["none", "None", "NONE", "nOnE", "hs256", "RS256", ""] {
        let header = encoded(&json!({ "alg": alg, "typ": "JWT" }));
        for forged in
            [format!("{header}.{rest}"), format!("{header}.{}.", encoded(&claims(json!({}))))]
        {
            assert_eq!(tokens().verify(&forged, noon()), Err(TokenError::WrongAlgorithm), "{alg}");
        }
    }
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    let header = encoded(&json!({ "alg": "HS256", "crit": ["b64"], "b64": false }));
    let token = keys().sign(&claims(json!({})));
    let (_, rest) = token.split_once('.').unwrap();
    assert_eq!(tokens().verify(&format!("{header}.{rest}"), noon()), Err(TokenError::Malformed));
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = keys().sign(&claims(json!({})));
    let hs256 = encoded(&json!({ "alg": "HS256" }));
    let samples = [
        String::new(),
        ".".into(),
        "..".into(),
        "....".into(),
        "null".into(),
        "Bearer x".into(),
        "🦀.🦀.🦀".into(),
        hs256.clone(),
        format!("{hs256}."),
        format!("{}.e30.e30", encoded(&json!([]))),
        format!("{}.e30.e30", encoded(&json!({ "alg": 1 }))),
        format!("{token}.{token}"),
        format!(" {token}"),
    ];
    for sample in samples {
        assert_eq!(tokens().verify(&sample, noon()), Err(TokenError::Malformed), "{sample:?}");
    }
    for signed in [json!(null), json!([]), json!("text"), json!({ "aud": 1, "exp": 1 })] {
        let token = keys().sign(&signed);
        assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Malformed), "{signed}");
    }
}

#[test]
fn a_claim_that_comes_twice_is_malformed() {
    let message = format!(
        "{}.{}",
        encoded(&json!({ "alg": "HS256" })),
        URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":1,"exp":{}}}"#, noon().timestamp() + 60))
    );
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    let token = format!("{message}.{signature}");
    assert_eq!(tokens().verify(&token, noon()), Err(TokenError::Malformed));
}

#[test]
fn an_oversized_token_is_refused_even_if_it_is_ours() {
    let token = |length: usize| keys().sign(&claims(json!({ "name": "x".repeat(length) })));
    let (long, too_long) = (token(5_900), token(6_200));

    assert!(long.len() <= Tokens::MAX_LENGTH && too_long.len() > Tokens::MAX_LENGTH);
    assert!(tokens().verify(&long, noon()).is_ok());
    assert_eq!(tokens().verify(&too_long, noon()), Err(TokenError::Malformed));
}

#[test]
fn an_issuer_that_is_set_is_written_and_required() {
    let strict = Tokens::new(keys(), TokenOptions { issuer: Some("coscribe".into()), ..options() });

    assert!(strict.verify(&strict.mint(&ana(), noon()).token, noon()).is_ok());
    for iss in [json!("other"), json!("COSCRIBE"), json!(null)] {
        assert_eq!(judge(&strict, json!({ "iss": iss })), Err(TokenError::WrongIssuer), "{iss}");
    }
    assert_eq!(judge(&strict, json!({})), Err(TokenError::WrongIssuer));
    assert!(judge(&tokens(), json!({ "iss": "other" })).is_ok());
}

#[test]
fn an_audience_that_is_set_is_written_and_required() {
    let strict = Tokens::new(keys(), TokenOptions { audience: Some("editor".into()), ..options() });

    assert!(strict.verify(&strict.mint(&ana(), noon()).token, noon()).is_ok());
    assert!(judge(&strict, json!({ "aud": ["mail", "editor"] })).is_ok());
    for aud in [json!("mail"), json!([]), json!(["mail", "edit"]), json!(null)] {
        assert_eq!(judge(&strict, json!({ "aud": aud })), Err(TokenError::WrongAudience), "{aud}");
    }
    assert_eq!(judge(&strict, json!({})), Err(TokenError::WrongAudience));
    assert!(judge(&tokens(), json!({ "aud": "mail" })).is_ok());
}

#[test]
fn every_error_has_its_own_label() {
    let labels: std::collections::HashSet<_> =
        TokenError::ALL.iter().map(|error| error.label()).collect();
    assert_eq!(labels.len(), TokenError::ALL.len());
}

#[test]
fn every_error_is_on_the_metrics_page_before_it_happens() {
    let page = Metrics::new().render().unwrap();
    for error in TokenError::ALL {
        let line = format!("auth_failures_total{{reason=\"{}\"}} 0", error.label());
        assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
    }
}
