//! Which tokens are accepted, and for which user.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Secret, SigningKeys, Subject, TokenError, TokenOptions, Tokens};
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
        sign_in_life: Duration::from_secs(30 * 24 * 3600),
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

/// Returns claims that are valid for an hour from noon, with `changes` applied.
fn claims(changes: Value) -> Value {
    let mut claims = json!({ "sub": UserId::new(), "exp": noon().timestamp() + 3600 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// Verifies a properly signed token with these claims.
fn verify_claims(tokens: &Tokens, changes: Value) -> Result<super::Claims, TokenError> {
    tokens.verify(&keys().sign(&claims(changes)), noon())
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_minted_token_names_its_user_until_it_expires() {
    let (tokens, ana) = (tokens(), ana());
    let minted = tokens.mint(&ana, 0, noon() + TimeDelta::milliseconds(700));

    assert_eq!(minted.expires_at, noon() + seconds(3600));
    let claims = tokens.verify(&minted.token, noon() + seconds(1)).unwrap();
    assert_eq!(claims.subject, Subject::User(ana.id));
    assert_eq!(claims.name.as_deref(), Some("Ana"));
    assert_eq!(claims.email, None);
    assert_eq!(claims.expires_at, minted.expires_at);

    let last_moment = minted.expires_at - TimeDelta::milliseconds(1);
    assert!(tokens.verify(&minted.token, last_moment).is_ok());
    assert_eq!(tokens.verify(&minted.token, minted.expires_at), Err(TokenError::Expired));
}

#[test]
fn a_token_is_valid_when_it_is_minted() {
    let now = noon() + TimeDelta::milliseconds(1);
    assert!(tokens().verify(&tokens().mint(&ana(), 0, now).token, now).is_ok());
}

#[test]
fn leeway_tolerates_clock_differences_up_to_its_length() {
    let lenient = Tokens::new(keys(), TokenOptions { leeway: Duration::from_secs(5), ..options() });
    let at = |offset: i64| noon().timestamp() + offset;

    assert!(verify_claims(&lenient, json!({ "exp": at(-4) })).is_ok());
    assert_eq!(verify_claims(&lenient, json!({ "exp": at(-5) })), Err(TokenError::Expired));
    assert!(verify_claims(&lenient, json!({ "nbf": at(5) })).is_ok());
    assert_eq!(verify_claims(&lenient, json!({ "nbf": at(6) })), Err(TokenError::NotYetValid));
    assert!(verify_claims(&tokens(), json!({ "nbf": at(0) })).is_ok());
    assert_eq!(verify_claims(&tokens(), json!({ "nbf": at(1) })), Err(TokenError::NotYetValid));
}

#[test]
fn a_token_of_a_server_whose_clock_is_ahead_is_valid_at_once() {
    let hour_ahead = noon() + TimeDelta::hours(1);
    let minted = tokens().mint(&ana(), 0, hour_ahead);
    assert!(tokens().verify(&minted.token, noon()).is_ok());
    let claims = json!({ "iat": hour_ahead.timestamp() });
    assert!(verify_claims(&tokens(), claims).is_ok());
}

#[test]
fn a_token_needs_a_valid_expiry() {
    let token = |claims: Value| tokens().verify(&keys().sign(&claims), noon());

    assert_eq!(token(json!({ "sub": UserId::new() })), Err(TokenError::NoExpiry));
    assert_eq!(verify_claims(&tokens(), json!({ "exp": null })), Err(TokenError::NoExpiry));
    let fraction = noon().timestamp() as f64 + 0.5;
    assert!(verify_claims(&tokens(), json!({ "exp": fraction })).is_ok());
    for exp in [json!("2099-01-01"), json!(i64::MAX), json!(u64::MAX), json!(1e300), json!([])] {
        assert_eq!(
            verify_claims(&tokens(), json!({ "exp": exp })),
            Err(TokenError::Malformed),
            "{exp}"
        );
    }
    for exp in [json!(-1), json!(0)] {
        assert_eq!(
            verify_claims(&tokens(), json!({ "exp": exp })),
            Err(TokenError::Expired),
            "{exp}"
        );
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    let unlimited = Tokens::new(
        keys(),
        TokenOptions { life: Duration::MAX, leeway: Duration::from_secs(u64::MAX), ..options() },
    );
    let minted = unlimited.mint(&ana(), 0, noon());
    assert!(unlimited.verify(&minted.token, DateTime::<Utc>::MIN_UTC).is_ok());
    assert!(unlimited.verify(&minted.token, DateTime::<Utc>::MAX_UTC).is_ok());
}

#[test]
fn a_subject_must_be_a_user_id() {
    for sub in [json!("alice"), json!(""), json!(null)] {
        assert_eq!(
            verify_claims(&tokens(), json!({ "sub": sub })),
            Err(TokenError::BadSubject),
            "{sub}"
        );
    }
}

#[test]
fn claims_include_name_and_email_for_enrolment() {
    let claims =
        verify_claims(&tokens(), json!({ "name": "Bo", "email": "bo@example.org" })).unwrap();
    assert_eq!(claims.name.as_deref(), Some("Bo"));
    assert_eq!(claims.email.as_deref(), Some("bo@example.org"));
}

#[test]
fn a_token_signed_with_another_key_is_rejected() {
    let other =
        SigningKeys::from_secret(&Secret::new("quite another secret, just as long")).unwrap();
    let token = Tokens::new(other, options()).mint(&ana(), 0, noon()).token;
    assert_eq!(tokens().verify(&token, noon()), Err(TokenError::BadSignature));
}

#[test]
fn changed_claims_invalidate_the_signature() {
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
fn critical_header_extensions_are_rejected() {
    let token = keys().sign(&claims(json!({})));
    let (_, rest) = token.split_once('.').unwrap();
    for crit in [json!(["b64"]), json!([]), json!(null)] {
        let header = encoded(&json!({ "alg": "HS256", "crit": crit, "b64": false }));
        let verified = tokens().verify(&format!("{header}.{rest}"), noon());
        assert_eq!(verified, Err(TokenError::Malformed), "{crit}");
    }
}

#[test]
fn text_that_is_no_token_is_malformed() {
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
fn a_duplicate_claim_is_malformed() {
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
fn an_oversized_token_is_rejected_even_if_we_signed_it() {
    let token = |length: usize| keys().sign(&claims(json!({ "name": "x".repeat(length) })));
    let (long, too_long) = (token(5_900), token(6_200));

    assert!(long.len() <= Tokens::MAX_LENGTH && too_long.len() > Tokens::MAX_LENGTH);
    assert!(tokens().verify(&long, noon()).is_ok());
    assert_eq!(tokens().verify(&too_long, noon()), Err(TokenError::Malformed));
}

#[test]
fn a_configured_issuer_is_written_and_required() {
    let strict = Tokens::new(keys(), TokenOptions { issuer: Some("coscribe".into()), ..options() });

    assert!(strict.verify(&strict.mint(&ana(), 0, noon()).token, noon()).is_ok());
    for iss in [json!("other"), json!("COSCRIBE"), json!(null)] {
        assert_eq!(
            verify_claims(&strict, json!({ "iss": iss })),
            Err(TokenError::WrongIssuer),
            "{iss}"
        );
    }
    assert_eq!(verify_claims(&strict, json!({})), Err(TokenError::WrongIssuer));
    assert!(verify_claims(&tokens(), json!({ "iss": "other" })).is_ok());
}

#[test]
fn a_configured_audience_is_written_and_required() {
    let strict = Tokens::new(keys(), TokenOptions { audience: Some("editor".into()), ..options() });

    assert!(strict.verify(&strict.mint(&ana(), 0, noon()).token, noon()).is_ok());
    assert!(verify_claims(&strict, json!({ "aud": ["mail", "editor"] })).is_ok());
    for aud in [json!("mail"), json!([]), json!(["mail", "edit"]), json!(null)] {
        assert_eq!(
            verify_claims(&strict, json!({ "aud": aud })),
            Err(TokenError::WrongAudience),
            "{aud}"
        );
    }
    assert_eq!(verify_claims(&strict, json!({})), Err(TokenError::WrongAudience));
    assert!(verify_claims(&tokens(), json!({ "aud": "mail" })).is_ok());
}

#[test]
fn every_error_has_its_own_label() {
    let labels: std::collections::HashSet<_> =
        TokenError::ALL.iter().map(|error| error.label()).collect();
    assert_eq!(labels.len(), TokenError::ALL.len());
}

#[test]
fn every_error_is_on_the_metrics_page_from_the_start() {
    let page = Metrics::new().render().unwrap();
    for error in TokenError::ALL {
        let line = format!("auth_failures_total{{reason=\"{}\"}} 0", error.label());
        assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
    }
}
