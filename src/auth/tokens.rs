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
use serde_json::Value;

use super::{
    Claims, SigningKeys, Subject, Tickets, TokenError,
    claims::{RegisteredClaims, derived_sign_in, signed_part, time_delta},
    token_head::TokenHead,
};
use crate::{
    domain::{SignIn, SignInId, TokenIssuer, User, UserId},
    wire::envelope::RelayKey,
};

/// The options of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// The lifetime of a new token.
    pub life: Duration,
    /// The longest time for which a sign-in gets new tokens.
    pub sign_in_life: Duration,
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
    /// Its sign-in.
    pub sign_in: SignIn,
}

#[derive(Serialize)]
struct SentClaims<'a> {
    sub: UserId,
    name: &'a str,
    sid: SignInId,
    #[serde(rename = "gen")]
    generation: i64,
    auth_time: i64,
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
    /// Applications may use these names for values of their own.
    email_verified: Option<Value>,
    sid: Option<Value>,
    #[serde(rename = "gen")]
    generation: Option<Value>,
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

    /// Returns the tickets that are signed with the same secret.
    #[must_use]
    pub fn tickets(&self) -> Tickets {
        Tickets::new(self.keys.clone(), self.options.leeway)
    }

    /// Returns the first token of a new sign-in of `user`, which is valid from `now` for its lifetime. `generation` is how often
    /// all sign-ins of the user have ended.
    #[must_use]
    pub fn mint(&self, user: &User, generation: i64, now: DateTime<Utc>) -> MintedToken {
        self.sign(user, SignInId::new(), generation, now, now)
    }

    /// Returns another token for the sign-in of one that was accepted before, which is valid for its lifetime, but not beyond the
    /// life of the sign-in.
    ///
    /// # Errors
    /// [`TokenError::SignInOver`]: the sign-in has reached its end.
    pub fn renew(
        &self,
        user: &User,
        sign_in: &SignIn,
        generation: i64,
        now: DateTime<Utc>,
    ) -> Result<MintedToken, TokenError> {
        // Tokens of an application need not say when they were issued.
        let latest = || sign_in.expires_at.checked_sub_signed(time_delta(self.options.life));
        let began_at = sign_in.began_at.or(sign_in.issued_at).or_else(latest);
        let began_at = began_at.ok_or(TokenError::SignInOver)?.min(now);
        let minted = self.sign(user, sign_in.id, generation, began_at, now);
        if minted.expires_at > now { Ok(minted) } else { Err(TokenError::SignInOver) }
    }

    fn sign(
        &self,
        user: &User,
        sign_in: SignInId,
        generation: i64,
        began_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> MintedToken {
        let end = |from: DateTime<Utc>, life| {
            let end = from.checked_add_signed(time_delta(life));
            end.unwrap_or(DateTime::<Utc>::MAX_UTC).trunc_subsecs(0)
        };
        let expires_at = end(now, self.options.life).min(end(began_at, self.options.sign_in_life));
        let token = self.keys.sign(&SentClaims {
            sub: user.id,
            name: &user.name,
            sid: sign_in,
            generation,
            auth_time: began_at.timestamp(),
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            iss: self.options.issuer.as_deref(),
            aud: self.options.audience.as_deref(),
        });
        let sign_in = SignIn {
            id: sign_in,
            issued_by: TokenIssuer::Ours,
            generation: Some(generation),
            issued_at: Some(now),
            began_at: Some(began_at),
            expires_at,
        };
        MintedToken { token, expires_at, sign_in }
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
        self.verify_with_head(token, &TokenHead::read(token)?, now)
    }

    /// As [`Tokens::verify`], for a token that is not too long and has this header.
    pub(super) fn verify_with_head(
        &self,
        token: &str,
        head: &TokenHead,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        let received: ReceivedClaims = self.keys.open_token(token, head)?;
        let ReceivedClaims { registered, name, email, email_verified, sid, generation } = received;
        let expires_at = registered.check_time(now, self.options.leeway)?;
        self.check_parties(&registered)?;
        let user = registered
            .sub
            .as_deref()
            .and_then(|sub| sub.parse().ok())
            .ok_or(TokenError::BadSubject)?;
        let is_email_verified = email_verified == Some(Value::Bool(true));
        // Those of an application may have no sign-in, or one with a name of another form.
        let sid = sid.as_ref().and_then(Value::as_str);
        let own = sid.and_then(|sid| sid.parse().ok());
        let derived = || derived_sign_in(&["", sid.unwrap_or_else(|| signed_part(token))]);
        let generation = generation.as_ref().and_then(Value::as_i64);
        let sign_in = SignIn {
            id: own.unwrap_or_else(derived),
            issued_by: TokenIssuer::Ours,
            generation,
            issued_at: registered.earliest_issue(self.options.leeway),
            began_at: registered.beginning(),
            expires_at,
        };
        Ok(Claims {
            subject: Subject::User(user),
            name,
            email,
            is_email_verified,
            groups: None,
            may_enrol: false,
            sign_in,
            expires_at,
            grants: None,
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
