//! Tokens (JWT, RFC 7519): a signed statement of who a user is, and until when it is valid.
//!
//! [`Tokens::mint`] makes our own. An application that shares the key may make others: `sub` must be a UUID, and
//! `auth.enrol` uses `name` and `email`. All claims are checked here, with the time as an argument, after the signature has
//! been verified. Tokens that other keys have signed are verified in [`issuers`](super::issuers).
//!
//! `iss` and `aud` are required if they are set, and ignored otherwise. A server without an audience therefore accepts
//! tokens that name one. RFC 7519, section 4.1.3 would refuse them; here every holder of the secret is trusted.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Claims, SigningKeys, Subject, TokenError,
    claims::{RegisteredClaims, time_delta},
};
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

/// A new token.
#[derive(Clone)]
pub struct MintedToken {
    /// The token, as it is sent in an `Authorization` header.
    pub token: String,
    /// The second from which it is rejected.
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
    #[serde(flatten)]
    registered: RegisteredClaims,
    name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
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
        let life = time_delta(self.options.life);
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
        let ReceivedClaims { registered, name, email, email_verified } = received;
        let expires_at = registered.check_time(now, self.options.leeway)?;
        self.check_parties(&registered)?;
        let user = registered.sub.and_then(|sub| sub.parse().ok()).ok_or(TokenError::BadSubject)?;
        let is_email_verified = email_verified.unwrap_or(false);
        Ok(Claims {
            subject: Subject::User(user),
            name,
            email,
            is_email_verified,
            may_enrol: false,
            expires_at,
        })
    }

    fn check_parties(&self, received: &RegisteredClaims) -> Result<(), TokenError> {
        if self.options.issuer.is_some() && self.options.issuer != received.iss {
            return Err(TokenError::WrongIssuer);
        }
        match &self.options.audience {
            Some(wanted) if !received.is_for(wanted) => Err(TokenError::WrongAudience),
            Some(_) | None => Ok(()),
        }
    }
}
