//! Tokens (JWT, RFC 7519): a signed statement of who a user is, and until when it is valid.
//!
//! [`Tokens::mint`] makes our own. An external identity provider that shares the key may make others: `sub` must be a
//! UUID, and `auth.enrol` uses `name` and `email`. All claims are checked here, with the time as an argument, after the
//! signature has been verified.
//!
//! `iss` and `aud` are required if they are set, and ignored otherwise. A server without an audience therefore accepts
//! tokens that name one. RFC 7519, section 4.1.3 would refuse them; here every holder of the secret is trusted.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use super::SigningKeys;
use crate::{
    domain::{User, UserId},
    wire::envelope::RelayKey,
};

/// The options of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// The lifetime of a new token.
    pub life: Duration,
    /// The clock difference that is tolerated.
    pub leeway: Duration,
    /// The `iss` claim, written and required if it is set.
    pub issuer: Option<String>,
    /// The `aud` claim, written and required if it is set.
    pub audience: Option<String>,
}

/// Why a token is rejected. The texts contain nothing of the token, so clients may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not a token, it is too long, or a claim has the wrong type.
    #[error("The token is not a valid JWT. Send it exactly as `login` returned it.")]
    Malformed,
    /// Its header names an algorithm other than the key's, such as `none`.
    #[error("The token is signed with an algorithm that this server does not accept. Use HS256.")]
    WrongAlgorithm,
    /// It was signed with another key, or changed after signing.
    #[error("The signature of the token is invalid. Sign in again.")]
    BadSignature,
    /// It has expired.
    #[error("The token has expired. Sign in again.")]
    Expired,
    /// It is not valid yet, or it was issued in the future.
    #[error("The token is not valid yet. Check the clock of the machine that issued it.")]
    NotYetValid,
    /// It is for another audience, or names none.
    #[error("The token is for another audience. Request one for this server.")]
    WrongAudience,
    /// Another issuer made it, or it names none.
    #[error(
        "The token is from an issuer that this server does not accept. Sign in with this server."
    )]
    WrongIssuer,
    /// Its `sub` is not a user id.
    #[error("The token does not name a user. Request one whose `sub` is a UUID.")]
    BadSubject,
    /// It has no expiry.
    #[error("The token has no expiry. Request one with an `exp` claim.")]
    NoExpiry,
}

impl TokenError {
    /// All errors, for lists of their labels.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::WrongAlgorithm,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::BadSubject,
        Self::NoExpiry,
    ];

    /// Returns the label of the error in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::BadSubject => "bad_subject",
            Self::NoExpiry => "no_expiry",
        }
    }
}

/// A new token.
#[derive(Clone)]
pub struct MintedToken {
    /// The token, as it is sent in an `Authorization` header.
    pub token: String,
    /// The second from which it is rejected.
    pub expires_at: DateTime<Utc>,
}

/// The claims of an accepted token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user: `sub`.
    pub user: UserId,
    /// The user's name, if the token has one. Not checked against any rule.
    pub name: Option<String>,
    /// The user's e-mail address, if the token has one. Not checked against any rule.
    pub email: Option<String>,
    /// The expiry: `exp`, without the leeway.
    pub expires_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct SentClaims<'a> {
    sub: UserId,
    name: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

#[derive(Deserialize)]
struct ReceivedClaims {
    sub: Option<String>,
    name: Option<String>,
    email: Option<String>,
    iss: Option<String>,
    aud: Option<TokenAudience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    /// Checked for its type only.
    #[serde(rename = "iat")]
    _iat: Option<NumericDate>,
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenAudience {
    One(String),
    Several(Vec<String>),
}

impl TokenAudience {
    fn includes(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// Seconds since 1970, with or without a fraction (RFC 7519, section 2).
struct NumericDate(DateTime<Utc>);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let time = match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => DateTime::from_timestamp(seconds, 0),
            // The conversion saturates, and chrono accepts no saturated value as a time.
            (None, Some(seconds)) => DateTime::from_timestamp_millis((seconds * 1000.0) as i64),
            (None, None) => None,
        };
        time.map(Self).ok_or_else(|| de::Error::custom("not a time"))
    }
}

/// Mints and verifies tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: SigningKeys,
    options: TokenOptions,
}

impl Tokens {
    /// The longest token that is read, in bytes.
    pub const MAX_LENGTH: usize = 8 * 1024;

    /// Signs and verifies with `keys`.
    #[must_use]
    pub const fn new(keys: SigningKeys, options: TokenOptions) -> Self {
        Self { keys, options }
    }

    /// Returns the key with which nodes sign envelopes.
    #[must_use]
    pub fn relay_key(&self) -> &RelayKey {
        self.keys.relay_key()
    }

    /// Returns a token for `user` that is valid from `now` for its lifetime.
    #[must_use]
    pub fn mint(&self, user: &User, now: DateTime<Utc>) -> MintedToken {
        let life = delta(self.options.life);
        let expires_at =
            now.checked_add_signed(life).unwrap_or(DateTime::<Utc>::MAX_UTC).trunc_subsecs(0);
        let token = self.keys.sign(&SentClaims {
            sub: user.id,
            name: &user.name,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            iss: self.options.issuer.as_deref(),
            aud: self.options.audience.as_deref(),
        });
        MintedToken { token, expires_at }
    }

    /// Returns the claims of `token` if its signature is ours and it is valid at `now`.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        // An unknown client must not make the server hash megabytes.
        if token.len() > Self::MAX_LENGTH {
            return Err(TokenError::Malformed);
        }
        let received: ReceivedClaims = self.keys.open_token(token)?;
        let expires_at = self.check_time(&received, now)?;
        self.check_parties(&received)?;
        let user = received.sub.and_then(|sub| sub.parse().ok()).ok_or(TokenError::BadSubject)?;
        Ok(Claims { user, name: received.name, email: received.email, expires_at })
    }

    /// Checks that `now` is not before `nbf`, and before `exp` (RFC 7519, sections 4.1.4 and 4.1.5). `iat` is no limit
    /// (section 4.1.6): the clock of the server that issued the token may be ahead.
    fn check_time(
        &self,
        received: &ReceivedClaims,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, TokenError> {
        let leeway = delta(self.options.leeway);
        let Some(NumericDate(expires_at)) = received.exp else {
            return Err(TokenError::NoExpiry);
        };
        // Differences are compared, because a sum may overflow the largest time.
        if now.signed_duration_since(expires_at) >= leeway {
            return Err(TokenError::Expired);
        }
        let starts = received.nbf.as_ref().map(|start| start.0.signed_duration_since(now));
        if starts.is_some_and(|wait| wait > leeway) {
            return Err(TokenError::NotYetValid);
        }
        Ok(expires_at)
    }

    fn check_parties(&self, received: &ReceivedClaims) -> Result<(), TokenError> {
        if self.options.issuer.is_some() && self.options.issuer != received.iss {
            return Err(TokenError::WrongIssuer);
        }
        match (&self.options.audience, &received.aud) {
            (Some(wanted), Some(named)) if named.includes(wanted) => Ok(()),
            (Some(_), _) => Err(TokenError::WrongAudience),
            (None, _) => Ok(()),
        }
    }
}

/// Converts the duration to chrono's type. One that is too long becomes the longest.
fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
