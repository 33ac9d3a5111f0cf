//! The accounts of users of outside issuers.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;

use crate::{
    auth::Claims,
    domain::{DisplayName, Email, GroupName, OutsideSubject, Party, UserId},
    store::{GroupsOutcome, OutsideProfile, OutsideUser, Store, StoreError},
};

/// How many users are remembered.
const REMEMBERED: usize = 50_000;

/// Finds the accounts of users of outside issuers, and creates them.
#[derive(Clone)]
pub(super) struct OutsideUsers {
    store: Store,
    known: Arc<Cache<OutsideSubject, OutsideUser>>,
    named_groups: Arc<Cache<OutsideSubject, NamedGroups>>,
}

/// The groups of the newest token of a user that is known here.
#[derive(Clone)]
struct NamedGroups {
    /// When the token was issued.
    said_at: DateTime<Utc>,
    /// The groups. None if the token was used at another node.
    groups: Option<Arc<BTreeSet<GroupName>>>,
}

impl OutsideUsers {
    pub(super) fn new(store: Store) -> Self {
        let (known, named_groups) =
            (Arc::new(Cache::new(REMEMBERED)), Arc::new(Cache::new(REMEMBERED)));
        Self { store, known, named_groups }
    }

    /// Returns the account of a user. Creates it if the issuer allows that. `None` if there is none.
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
        if let Some(known) = self.known.get(subject) {
            return Ok(Some(known.user));
        }
        let find = self.store.find_outside_user(subject);
        let found = match self.store.read_for(Party::Stranger(None), find).await?? {
            None if !claims.may_enrol => return Ok(None),
            None => self.enrol(subject, claims, None).await?,
            Some(found) => found,
        };
        let id = found.user;
        self.known.insert(subject.clone(), found);
        Ok(Some(id))
    }

    /// Returns the new account of a user whose account `deleted` was deleted, or is being deleted. Creates it if the issuer allows
    /// that. `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped.
    pub(super) async fn enrol_again(
        &self,
        subject: &OutsideSubject,
        claims: &Claims,
        deleted: UserId,
    ) -> Result<Option<UserId>, StoreError> {
        self.forget(subject);
        if !claims.may_enrol {
            return Ok(None);
        }
        let enrolled = self.enrol(subject, claims, Some(deleted)).await?;
        let id = enrolled.user;
        self.known.insert(subject.clone(), enrolled);
        Ok(Some(id))
    }

    /// Creates the account of a user who has none, or only one that was deleted.
    async fn enrol(
        &self,
        subject: &OutsideSubject,
        claims: &Claims,
        deleted: Option<UserId>,
    ) -> Result<OutsideUser, StoreError> {
        let (store, subject, said) = (self.store.clone(), subject.clone(), profile_of(claims));
        let said_at = claims.sign_in.issued_at.unwrap_or(DateTime::UNIX_EPOCH);
        // A write must not be dropped half-way.
        let storing = tokio::spawn(async move {
            match deleted {
                None => store.enrol_outside_user(&subject, &said, said_at).await,
                Some(deleted) => {
                    store.enrol_outside_user_again(&subject, &said, said_at, deleted).await
                }
            }
        });
        storing.await.map_err(StoreError::internal)?
    }

    /// Stores a new name or verified address that the claims contain, unless a newer token has said otherwise.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped.
    pub(super) async fn update(
        &self,
        subject: &OutsideSubject,
        claims: &Claims,
    ) -> Result<(), StoreError> {
        let (said, issued_at) = (profile_of(claims), claims.sign_in.issued_at);
        let Some(known) = self.known.get(subject) else { return Ok(()) };
        let Some(said_at) = issued_at.filter(|issued_at| *issued_at > known.said_at) else {
            return Ok(());
        };
        if !is_news(&said, &known.profile) {
            return Ok(());
        }
        let (store, of) = (self.store.clone(), subject.clone());
        let storing =
            tokio::spawn(
                async move { store.update_outside_user(&of, &known, &said, said_at).await },
            );
        let updated = storing.await.map_err(StoreError::internal)??;
        self.known.insert(subject.clone(), updated);
        Ok(())
    }

    /// Stores the groups that the claims name, if the settings of the issuer say where they are, unless a newer token has named
    /// others. Open sessions learn of what the user gains and loses by that within a second.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped.
    pub(super) async fn update_groups(
        &self,
        subject: &OutsideSubject,
        user: UserId,
        claims: &Claims,
    ) -> Result<(), StoreError> {
        let Some(groups) = &claims.groups else { return Ok(()) };
        let said_at = claims.sign_in.issued_at.unwrap_or(DateTime::UNIX_EPOCH);
        let is_known = |known: NamedGroups| {
            let is_same = known.said_at == said_at && known.groups.as_ref() == Some(groups);
            is_same || known.said_at > said_at
        };
        if self.named_groups.get(subject).is_some_and(is_known) {
            return Ok(());
        }
        let store = self.store.clone();
        let (of, named) = (subject.clone(), Arc::clone(groups));
        let storing =
            tokio::spawn(async move { store.set_groups(&of, user, &named, said_at).await });
        let newest = match storing.await.map_err(StoreError::internal)?? {
            GroupsOutcome::Older { than } => NamedGroups { said_at: than, groups: None },
            GroupsOutcome::Changed | GroupsOutcome::Unchanged => {
                NamedGroups { said_at, groups: Some(Arc::clone(groups)) }
            }
        };
        self.named_groups.insert(subject.clone(), newest);
        Ok(())
    }

    /// Forgets a user whose account does not exist any more.
    pub(super) fn forget(&self, subject: &OutsideSubject) {
        self.known.remove(subject);
        self.named_groups.remove(subject);
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
