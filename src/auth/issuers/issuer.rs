//! One outside issuer: its keys, and what its tokens must say.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    IssuerOptions, SignatureAlgorithm,
    claim_names::Profile,
    key_cache::{KeyCache, KeyTimes, Lookup},
    key_set::KeySet,
    key_source::KeySource,
};
use crate::{
    auth::{
        Claims, Subject, TokenError,
        claims::{RegisteredClaims, derived_sign_in},
        keys::{open_with, signature_only},
        token_head::TokenHead,
    },
    domain::{OutsideSubject, SignIn, TokenIssuer},
};

/// How long a token waits for the keys of its issuer: for two answers of the issuer, and a moment.
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

    /// Begins to fetch the keys, unless that was tried a moment ago.
    pub(super) fn refresh(&self) {
        self.keys.begin_fetch();
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
        let keys = self.keys.find(head.kid.as_deref(), algorithm).await?;
        let claims = open_with_any(token, &keys, algorithm)?;
        self.check(token, &claims, now)
    }

    /// Checks claims whose signature is that of the issuer.
    fn check(&self, token: &str, claims: &Value, now: DateTime<Utc>) -> Result<Claims, TokenError> {
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
        let (issued_at, began_at) = registered.beginnings();
        // Tokens of one session of the provider share `sid`; others end one by one.
        let session =
            ["sid", "jti"].iter().find_map(|name| claims.get(name).and_then(Value::as_str));
        let id = derived_sign_in(&[&self.name, session.unwrap_or(token)]);
        let issued_by = TokenIssuer::Outside;
        let sign_in = SignIn { id, issued_by, generation: None, issued_at, began_at };
        let Profile { name, email, is_email_verified } = Profile::read(claims, &self.options);
        Ok(Claims {
            subject: Subject::Outside(subject),
            name,
            email,
            is_email_verified,
            may_enrol: self.options.enrol,
            sign_in,
            expires_at,
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
            Lookup::Fetch => self.begin_fetch(),
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

    fn look_up(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Lookup {
        self.cache.lock().look_up(id, algorithm, Instant::now())
    }

    /// Begins to fetch the keys, unless that was tried a moment ago. The fetch goes on when the token that caused it no longer
    /// waits.
    fn begin_fetch(self: &Arc<Self>) {
        if !self.cache.lock().begin_fetch(Instant::now()) {
            return;
        }
        let mut fetch = Fetch { keys: Arc::clone(self), fetched: None };
        tokio::spawn(async move {
            let fetched = fetch.keys.source.fetch().await.inspect_err(|error| {
                let (issuer, error): (_, &dyn std::error::Error) = (&fetch.keys.issuer, error);
                tracing::warn!(%issuer, error, "could not fetch the keys of an issuer");
            });
            fetch.fetched = fetched.ok();
            drop(fetch);
        });
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
