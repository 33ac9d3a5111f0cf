//! Outside issuers of tokens: identity providers whose users may use this server.
//!
//! [`Issuers`] finds the issuer of a token by its `iss` claim and verifies the token with the keys that the issuer publishes
//! as a JWK Set (RFC 7517). An [`Issuer`] keeps its keys in memory ([`KeyCache`](key_cache::KeyCache)),
//! fetches them again every `keys_every`, and at once when a token names a key that it does not know.
//!
//! Invariants: a key verifies tokens of its own issuer only; the key decides the algorithm, never the token; a client
//! cannot make the server fetch keys more often than `keys_retry`; keys older than `keys_stale` verify nothing.

mod issuer;
mod key_cache;
mod key_set;
mod key_source;
mod options;
mod profile;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use self::issuer::Issuer;
use super::{Claims, TokenError, token_head};

pub(super) use key_set::PublicKey;
pub use key_source::check_key_place;
pub use options::{IssuerOptions, SignatureAlgorithm};

/// Verifies tokens of outside issuers.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Arc<BTreeMap<String, Arc<Issuer>>>);

impl Issuers {
    /// Accepts tokens of these issuers. Fetches nothing yet.
    ///
    /// # Errors
    /// TLS cannot be used on this machine.
    pub fn new<'a>(
        issuers: impl IntoIterator<Item = &'a IssuerOptions>,
        leeway: std::time::Duration,
    ) -> Result<Self, reqwest::Error> {
        let issuers = issuers.into_iter().map(|options| {
            let issuer = Issuer::new(options.clone(), leeway)?;
            Ok((options.issuer.clone(), Arc::new(issuer)))
        });
        Ok(Self(Arc::new(issuers.collect::<Result<_, reqwest::Error>>()?)))
    }

    /// Returns whether no outside issuer is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether this is the `iss` claim of an outside issuer.
    pub(super) fn knows(&self, issuer: &str) -> bool {
        self.0.contains_key(issuer)
    }

    /// Returns how often the keys of this issuer were fetched. Tokens that were verified with the keys of an earlier fetch must
    /// be verified again.
    pub(super) fn key_epoch(&self, issuer: &str) -> u64 {
        self.0.get(issuer).map_or(0, |issuer| issuer.key_epoch())
    }

    /// Fetches the keys of all issuers now, so that the first user does not wait for them, and each again every `keys_every`.
    pub async fn keep_keys_fresh(&self) {
        join_all(self.0.values().map(|issuer| Arc::clone(issuer).keep_fresh())).await;
    }

    /// Returns the claims of `token` if an outside issuer signed it and it is valid at `now`. Waits until the keys of the
    /// issuer are there, if they have to be fetched.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub(super) async fn verify(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, TokenError> {
        let claimed = token_head::claimed_issuer(token).ok_or(TokenError::WrongIssuer)?;
        let issuer = self.0.get(&claimed).ok_or(TokenError::WrongIssuer)?;
        issuer.verify(token, now).await
    }
}
