//! The claims of tokens that every issuer uses alike (RFC 7519, section 4.1), and what is kept of an accepted token.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

use super::{DocumentGrants, TokenError};
use crate::domain::{GroupName, OutsideSubject, SignIn, SignInId, UserId};

/// Of whom a token speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One of our users: the token was signed with our own key.
    User(UserId),
    /// A user of an outside issuer.
    Outside(OutsideSubject),
}

/// The claims of an accepted token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub subject: Subject,
    /// The user's name, if the token has one. Not checked against any rule.
    pub name: Option<String>,
    /// The user's e-mail address, if the token has one. Not checked against any rule.
    pub email: Option<String>,
    /// Whether the issuer says that the address is the user's.
    pub is_email_verified: bool,
    /// The groups of the user, if the settings of the issuer name a claim for them.
    pub groups: Option<Arc<BTreeSet<GroupName>>>,
    /// Whether the user gets an account if they have none and an outside issuer has issued the token.
    pub may_enrol: bool,
    /// The sign-in.
    pub sign_in: SignIn,
    /// The expiry: `exp`, without the leeway.
    pub expires_at: DateTime<Utc>,
    /// What the token grants, if it is a document token.
    pub grants: Option<Arc<DocumentGrants>>,
}

/// Returns the part of a token that its signature covers. The signature itself may have several forms.
pub(super) fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(signed, _)| signed)
}

/// Returns the id of a sign-in that has none of ours. It is the same for the same parts.
pub(super) fn derived_sign_in(parts: &[&str]) -> SignInId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    SignInId::from(uuid::Builder::from_custom_bytes(half).into_uuid())
}

/// The registered claims, as they were received.
#[derive(Deserialize)]
pub(super) struct RegisteredClaims {
    pub(super) sub: Option<String>,
    pub(super) iss: Option<String>,
    aud: Option<TokenAudience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    auth_time: Option<NumericDate>,
}

impl RegisteredClaims {
    /// Checks that `now` is not before `nbf`, and before `exp` (RFC 7519, sections 4.1.4 and 4.1.5), and returns the expiry.
    /// `iat` is no limit (section 4.1.6): the clock of the server that issued the token may be ahead.
    ///
    /// # Errors
    /// [`TokenError::NoExpiry`], [`TokenError::Expired`], [`TokenError::NotYetValid`].
    pub(super) fn check_time(
        &self,
        now: DateTime<Utc>,
        leeway: Duration,
    ) -> Result<DateTime<Utc>, TokenError> {
        let leeway = time_delta(leeway);
        let Some(NumericDate(expires_at)) = self.exp else {
            return Err(TokenError::NoExpiry);
        };
        // Differences are compared, because a sum may overflow the largest time.
        if now.signed_duration_since(expires_at) >= leeway {
            return Err(TokenError::Expired);
        }
        let starts = self.nbf.as_ref().map(|start| start.0.signed_duration_since(now));
        if starts.is_some_and(|wait| wait > leeway) {
            return Err(TokenError::NotYetValid);
        }
        Ok(expires_at)
    }

    /// Returns the earliest time at which the token may have been issued, if it says so. The clock of its issuer may be ahead by
    /// `leeway`, and most issuers write whole seconds.
    pub(super) fn earliest_issue(&self, leeway: Duration) -> Option<DateTime<Utc>> {
        let issued_at = self.iat.as_ref()?.0.trunc_subsecs(0);
        issued_at.checked_sub_signed(time_delta(leeway))
    }

    /// Returns when the token was issued, by the clock of its issuer, if it says so.
    pub(super) fn issued_at(&self) -> Option<DateTime<Utc>> {
        self.iat.as_ref().map(|date| date.0)
    }

    /// Returns when the sign-in of the token began, if it says so.
    pub(super) fn beginning(&self) -> Option<DateTime<Utc>> {
        self.auth_time.as_ref().map(|date| date.0)
    }

    /// Returns whether the token is for this audience.
    pub(super) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Some(TokenAudience::One(name)) => name == audience,
            Some(TokenAudience::Several(names)) => names.iter().any(|name| name == audience),
            None => false,
        }
    }
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenAudience {
    One(String),
    Several(Vec<String>),
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

/// Converts the duration to chrono's type. One that is too long becomes the longest.
pub(super) fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
