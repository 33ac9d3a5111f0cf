//! One outside issuer: its keys, and what its tokens must say.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, timeout},
};

use super::{
    IssuerOptions, SignatureAlgorithm,
    key_cache::{KeyCache, KeyTimes, Lookup},
    key_set::KeySet,
    key_source::KeySource,
    profile::Profile,
};
use crate::{
    auth::{
        Claims, Subject, TokenError,
        claims::{RegisteredClaims, derived_sign_in, signed_part},
        keys::{open_with, signature_only},
        token_head::TokenHead,
    },
    domain::{GroupName, OutsideSubject, SignIn, TokenIssuer},
};

/// How long a fetch may take: two answers of the issuer.
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// How long a token waits for the keys of its issuer: for a fetch, and a moment.
const KEYS_WITHIN: Duration = Duration::from_secs(11);

/// An outside issuer.
pub(super) struct Issuer {
    options: IssuerOptions,
    /// The `iss` claim, shared with the claims of every token.
    name: Arc<str>,
    leeway: Duration,
    keys: Arc<Keys>,
}

/// The keys of an issuer, and where they come from.
struct Keys {
    issuer: Arc<str>,
    source: KeySource,
    cache: Mutex<KeyCache>,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.name).finish()
    }
}

impl Issuer {
    /// Creates an issuer without keys.
    ///
    /// # Errors
    /// TLS cannot be used on this machine.
    pub(super) fn new(options: IssuerOptions, leeway: Duration) -> Result<Self, reqwest::Error> {
        let name: Arc<str> = options.issuer.as_str().into();
        let keys = Arc::new(Keys {
            issuer: Arc::clone(&name),
            source: KeySource::new(&options)?,
            cache: Mutex::new(KeyCache::new(KeyTimes::of(&options))),
            ended: watch::Sender::new(0),
        });
        Ok(Self { options, name, leeway, keys })
    }

    /// Fetches the keys now and again and again, so that a key that the issuer has taken back is soon refused, although nobody
    /// sends a token.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        let mut interval = tokio::time::interval(self.options.keys_every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.keys.begin_fetch();
        }
    }

    /// Returns how often keys were fetched.
    pub(super) fn key_epoch(&self) -> u64 {
        self.keys.cache.lock().epoch()
    }

    /// Returns the claims of `token` if this issuer signed it and it is valid at `now`.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub(super) async fn verify(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        let head = TokenHead::read(token)?;
        if !head.may_identify() {
            return Err(TokenError::WrongType);
        }
        let algorithm = SignatureAlgorithm::named(&head.alg)
            .filter(|algorithm| self.options.algorithms.contains(algorithm))
            .ok_or(TokenError::WrongAlgorithm)?;
        let id = head.kid.as_deref();
        let keys = self.keys.find(id, algorithm).await?;
        let claims = match open_with_any(token, &keys, algorithm) {
            // A token that names no key may be signed with one that is newer than those known.
            Err(TokenError::BadSignature) if id.is_none() && self.keys.fetch_newer().await => {
                open_with_any(token, &self.keys.find(id, algorithm).await?, algorithm)?
            }
            opened => opened?,
        };
        self.check(token, &claims, now)
    }

    /// Checks claims whose signature is that of the issuer.
    fn check(&self, token: &str, claims: &Value, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        // It tells of events at the issuer, such as a sign-out (RFC 8417, section 2.2).
        if claims.get("events").is_some() {
            return Err(TokenError::WrongType);
        }
        let registered =
            RegisteredClaims::deserialize(claims).map_err(|_error| TokenError::Malformed)?;
        let expires_at = registered.check_time(now, self.leeway)?;
        if registered.iss.as_deref() != Some(&*self.name) {
            return Err(TokenError::WrongIssuer);
        }
        if !self.options.audiences.iter().any(|audience| registered.is_for(audience)) {
            return Err(TokenError::WrongAudience);
        }
        let sub = registered.sub.as_deref().ok_or(TokenError::BadSubject)?;
        let subject = OutsideSubject::new(Arc::clone(&self.name), sub);
        let subject = subject.ok_or(TokenError::BadSubject)?;
        // Tokens of one session of the provider share `sid`; others end one by one.
        let session =
            ["sid", "jti"].iter().find_map(|name| claims.get(name).and_then(Value::as_str));
        let sign_in = SignIn {
            id: derived_sign_in(&[&self.name, session.unwrap_or_else(|| signed_part(token))]),
            issued_by: TokenIssuer::Outside,
            generation: None,
            issued_at: registered.earliest_issue(self.leeway),
            began_at: registered.beginning(),
            expires_at,
        };
        let Profile { name, email, is_email_verified, groups } =
            Profile::read(claims, &self.options);
        let groups = groups.map(|names| {
            let named = |name: String| GroupName::new(Arc::clone(&self.name), &name);
            Arc::new(names.into_iter().filter_map(named).collect())
        });
        Ok(Claims {
            subject: Subject::Outside(subject),
            name,
            email,
            is_email_verified,
            groups,
            may_enrol: self.options.enrol,
            sign_in,
            expires_at,
            grants: None,
        })
    }
}

/// Verifies the signature of a token with the first of these keys that fits.
fn open_with_any(
    token: &str,
    keys: &[DecodingKey],
    algorithm: SignatureAlgorithm,
) -> Result<Value, TokenError> {
    let rules = signature_only(algorithm.of_library());
    let mut error = TokenError::UnknownKey;
    for key in keys {
        match open_with(token, key, &rules) {
            Ok(claims) => return Ok(claims),
            Err(wrong) => error = wrong,
        }
    }
    Err(error)
}

impl Keys {
    /// Returns the keys that fit a token, and fetches them if none does.
    async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<DecodingKey>, TokenError> {
        // A fetch that ends after this is noticed.
        let mut ended = self.ended.subscribe();
        match self.look_up(id, algorithm) {
            Lookup::Found { keys, is_refresh_due } => {
                if is_refresh_due {
                    self.begin_fetch();
                }
                return Ok(keys);
            }
            Lookup::Fetch => {
                self.begin_fetch();
            }
            Lookup::Fetching => {}
            Lookup::Unknown => return Err(TokenError::UnknownKey),
            Lookup::Failed => return Err(TokenError::NoKeys),
        }
        if !matches!(timeout(KEYS_WITHIN, ended.changed()).await, Ok(Ok(()))) {
            return Err(TokenError::NoKeys);
        }
        match self.look_up(id, algorithm) {
            Lookup::Found { keys, .. } => Ok(keys),
            Lookup::Unknown => Err(TokenError::UnknownKey),
            Lookup::Fetch | Lookup::Fetching | Lookup::Failed => Err(TokenError::NoKeys),
        }
    }

    /// Fetches the keys, unless that was tried a moment ago, and returns whether it has.
    async fn fetch_newer(self: &Arc<Self>) -> bool {
        let mut ended = self.ended.subscribe();
        self.begin_fetch() && matches!(timeout(KEYS_WITHIN, ended.changed()).await, Ok(Ok(())))
    }

    fn look_up(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Lookup {
        self.cache.lock().look_up(id, algorithm, Instant::now())
    }

    /// Begins to fetch the keys, unless that was tried a moment ago. The fetch goes on when the token that caused it no longer
    /// waits. Returns whether it has begun.
    fn begin_fetch(self: &Arc<Self>) -> bool {
        if !self.cache.lock().begin_fetch(Instant::now()) {
            return false;
        }
        let mut fetch = Fetch { keys: Arc::clone(self), fetched: None };
        tokio::spawn(async move {
            let issuer = Arc::clone(&fetch.keys.issuer);
            match timeout(FETCH_WITHIN, fetch.keys.source.fetch()).await {
                Ok(Ok(keys)) => fetch.fetched = Some(keys),
                Ok(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(%issuer, error, "could not fetch the keys of an issuer");
                }
                Err(_elapsed) => {
                    tracing::warn!(%issuer, "the keys of an issuer did not arrive in time");
                }
            }
            drop(fetch);
        });
        true
    }
}

/// A fetch in progress. It ends even if its task is cancelled.
struct Fetch {
    keys: Arc<Keys>,
    fetched: Option<KeySet>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.keys.cache.lock().end_fetch(self.fetched.take(), Instant::now());
        self.keys.ended.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
