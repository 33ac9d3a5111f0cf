//! Applications that keep their own rules: they sign document tokens, which name a user, documents, and the user's level on
//! each.
//!
//! An operator registers the public keys of an application. [`ApplicationKeys`] keeps them in memory; the node reads them from
//! the database every second.
//!
//! Invariants: a key verifies tokens of its own application only; the key decides the algorithm, never the token; the users
//! of an application are not those of an outside issuer, whatever its name is.

mod document_claims;
mod key;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use parking_lot::RwLock;

use self::document_claims::DocumentClaims;
use super::{Claims, TokenError, keys::open_with, keys::signature_only, token_head::TokenHead};

pub use self::{
    document_claims::{DocumentGrants, application_subject},
    key::{KeyTextError, RegisteredKey},
};

/// The options of document tokens.
#[derive(Debug, Clone)]
pub struct DocumentTokenOptions {
    /// A token must name this in its `aud` claim.
    pub audience: String,
    /// A token must expire within this time.
    pub life: Duration,
    /// The clock difference that is tolerated.
    pub leeway: Duration,
}

/// The registered keys, by their ids. Clones share them.
#[derive(Debug, Clone)]
pub struct ApplicationKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: DocumentTokenOptions,
    keys: RwLock<HashMap<String, Arc<RegisteredKey>>>,
    epoch: AtomicU64,
}

impl ApplicationKeys {
    /// Returns a list without keys.
    #[must_use]
    pub fn new(options: DocumentTokenOptions) -> Self {
        let (keys, epoch) = (RwLock::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { options, keys, epoch }))
    }

    /// Replaces the keys. Tokens that a missing one has signed are refused from now on.
    pub fn replace(&self, keys: impl IntoIterator<Item = RegisteredKey>) {
        let keys = keys.into_iter().map(|key| (key.id.to_string(), Arc::new(key)));
        *self.0.keys.write() = keys.collect();
        self.0.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns how often the keys were replaced. Tokens that were verified before must be verified again.
    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Returns whether there is no key.
    pub(super) fn is_empty(&self) -> bool {
        self.0.keys.read().is_empty()
    }

    /// Returns whether a token with this `iss` claim may be one of an application.
    pub(super) fn knows(&self, application: &str) -> bool {
        self.0.keys.read().values().any(|key| &*key.application == application)
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &DocumentTokenOptions {
        &self.0.options
    }

    /// Returns the claims of `token` if an application signed it and it is valid at `now`.
    ///
    /// # Errors
    /// The first rule that the token breaks; see [`TokenError`].
    pub(super) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let head = TokenHead::read(token)?;
        if !head.may_identify() {
            return Err(TokenError::WrongType);
        }
        let id = head.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let key = self.0.keys.read().get(id).cloned().ok_or(TokenError::UnknownKey)?;
        if head.alg != key.algorithm.name() {
            return Err(TokenError::WrongAlgorithm);
        }
        let rules = signature_only(key.algorithm.of_library());
        let claims: DocumentClaims = open_with(token, &key.verifying, &rules)?;
        claims.check(&key, &self.0.options, now)
    }
}

#[cfg(test)]
#[path = "applications_tests.rs"]
mod tests;
