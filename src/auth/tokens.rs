//! Tokens: who somebody is, for how long, signed (JWT, RFC 7519).
//!
//! Our own are made by [`Tokens::mint`]; an outside identity provider that shares the key may make others, with
//! `sub` a UUID and, for `auth.enrol`, `name` and `email`. Every check of a claim is here, with the time passed in;
//! the signature comes first, so that nothing unsigned is looked at.
//!
//! `iss` and `aud` are required when they are set and ignored when they are not: a server without an
//! audience of its own takes tokens that name one, although RFC 7519, section 4.1.3 would rather refuse them,
//! because whoever holds the secret is trusted.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use super::SigningKeys;
use crate::domain::{User, UserId};

/// What can be set about tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// How long a new token is good for.
    pub life: Duration,
    /// How far the clock of whoever signed a token may be off.
    pub leeway: Duration,
    /// The `iss` written and required; none: neither.
    pub issuer: Option<String>,
    /// The `aud` written and required; none: neither.
    pub audience: Option<String>,
}

/// Why a token is not accepted. The texts are safe to show; they hold nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is no token, or too long, or a claim has the wrong type.
    #[error("The token is not a valid JWT. Send it exactly as sign-in gave it.")]
    Malformed,
    /// Its header names another algorithm than the key's, `none` among them.
    #[error("The token is signed with an algorithm that is not accepted here. Use HS256.")]
    WrongAlgorithm,
    /// It was signed with another key, or changed afterwards.
    #[error("The token's signature is not valid here. Sign in again.")]
    BadSignature,
    /// Its time is over.
    #[error("The token has expired. Sign in again.")]
    Expired,
    /// Its time has not come, or it was signed in the future.
    #[error("The token is not valid yet. Check the clock of the machine that issued it.")]
    NotYetValid,
    /// It is meant for others, or for nobody in particular.
    #[error("The token is meant for another audience. Ask for one that is meant for this server.")]
    WrongAudience,
    /// Somebody else issued it, or nobody says who.
    #[error("The token comes from an issuer that is not accepted here. Sign in with this server.")]
    WrongIssuer,
    /// Its `sub` is not one of our user ids.
    #[error("The token does not name a user: its `sub` has to be a UUID.")]
    BadSubject,
    /// It would be good for ever.
    #[error("The token has no expiry. Ask for one with an `exp`.")]
    NoExpiry,
}

impl TokenError {
    /// All of them, for whoever has to list their labels.
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

    /// Its name in metrics.
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
    /// The token, as it goes into an Authorization header.
    pub token: String,
    /// The moment from which it is refused, to the second.
    pub expires_at: DateTime<Utc>,
}

/// What an accepted token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose token it is: `sub`.
    pub user: UserId,
    /// The user's name, if the token has one. Not checked against any rule.
    pub name: Option<String>,
    /// The user's e-mail address, if the token has one. Not checked against any rule.
    pub email: Option<String>,
    /// When it runs out: `exp`, without the leeway.
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
    iat: Option<NumericDate>,
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
            // The conversion saturates, and what saturated is no time that chrono knows.
            (None, Some(seconds)) => DateTime::from_timestamp_millis((seconds * 1000.0) as i64),
            (None, None) => None,
        };
        time.map(Self).ok_or_else(|| de::Error::custom("not a time"))
    }
}

/// Makes and checks tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: SigningKeys,
    options: TokenOptions,
}

impl Tokens {
    /// The longest token that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 8 * 1024;

    /// Tokens signed with `keys`.
    #[must_use]
    pub const fn new(keys: SigningKeys, options: TokenOptions) -> Self {
        Self { keys, options }
    }

    /// A token for `user`, good from now until its life is over.
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

    /// What `token` says, if it was signed with our key and is good at `now`.
    ///
    /// # Errors
    /// The first rule it breaks; see [`TokenError`].
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        // Hashing megabytes for somebody unknown would be a gift.
        if token.len() > Self::MAX_LENGTH {
            return Err(TokenError::Malformed);
        }
        let received: ReceivedClaims = self.keys.open_token(token)?;
        let expires_at = self.check_time(&received, now)?;
        self.check_parties(&received)?;
        let user = received.sub.and_then(|sub| sub.parse().ok()).ok_or(TokenError::BadSubject)?;
        Ok(Claims { user, name: received.name, email: received.email, expires_at })
    }

    /// Good from `nbf` and `iat` on until just before `exp` (RFC 7519, sections 4.1.4 to 4.1.6).
    fn check_time(
        &self,
        received: &ReceivedClaims,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, TokenError> {
        let leeway = delta(self.options.leeway);
        let Some(NumericDate(expires_at)) = received.exp else {
            return Err(TokenError::NoExpiry);
        };
        // Differences are compared, because a sum may lie past the end of time.
        if now.signed_duration_since(expires_at) >= leeway {
            return Err(TokenError::Expired);
        }
        let starts = [&received.nbf, &received.iat].into_iter().flatten();
        if starts.map(|start| start.0.signed_duration_since(now)).any(|wait| wait > leeway) {
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

/// The duration as chrono counts it; what is too long for it is as long as it can be.
fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
