//! The accounts of users of outside issuers.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::{
    auth::Claims,
    domain::{DisplayName, Email, OutsideSubject, Party, UserId},
    store::{OutsideProfile, OutsideUser, Store, StoreError},
};

/// How many users are remembered.
const REMEMBERED: usize = 50_000;

/// Finds the accounts of users of outside issuers, and creates them.
#[derive(Clone)]
pub(super) struct OutsideUsers {
    store: Store,
    known: Arc<Cache<OutsideSubject, OutsideUser>>,
}

impl OutsideUsers {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Arc::new(Cache::new(REMEMBERED)) }
    }

    /// Returns the account of a user. Creates it if the issuer allows that, and stores a new name or verified address that the
    /// claims contain. `None` if there is no account.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped.
    pub(super) async fn find_or_enrol(
        &self,
        subject: &OutsideSubject,
        claims: &Claims,
    ) -> Result<Option<UserId>, StoreError> {
        let said = profile_of(claims);
        let known = match self.known.get(subject) {
            Some(known) => Some(known),
            None => {
                let find = self.store.find_outside_user(subject);
                self.store.read_for(Party::Stranger(None), find).await??
            }
        };
        let user = match known {
            Some(known) if !is_news(&said, &known.profile) => known,
            None if !claims.may_enrol => return Ok(None),
            known => {
                let (store, subject) = (self.store.clone(), subject.clone());
                // A write must not be dropped half-way.
                let storing = tokio::spawn(async move {
                    match known {
                        Some(known) => store.update_outside_user(&subject, &known, &said).await,
                        None => store.enrol_outside_user(&subject, &said).await,
                    }
                });
                storing.await.map_err(StoreError::internal)??
            }
        };
        let id = user.user;
        self.known.insert(subject.clone(), user);
        Ok(Some(id))
    }

    /// Forgets a user whose account does not exist any more.
    pub(super) fn forget(&self, subject: &OutsideSubject) {
        self.known.remove(subject);
    }
}

/// Returns what the claims say, as far as it is valid here: issuers may use names and addresses that are not.
fn profile_of(claims: &Claims) -> OutsideProfile {
    let name = claims.name.as_deref().and_then(|name| DisplayName::new(name).ok());
    let email = claims.email.as_deref().filter(|_email| claims.is_email_verified);
    OutsideProfile { name, email: email.and_then(|email| Email::for_account(email).ok()) }
}

/// Returns whether `said` has a part that differs from `known`.
fn is_news(said: &OutsideProfile, known: &OutsideProfile) -> bool {
    let has_name = said.name.is_some() && said.name != known.name;
    let has_email = said.email.is_some() && said.email != known.email;
    has_name || has_email
}
