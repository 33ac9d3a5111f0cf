//! Document tokens: what they grant takes effect when they are used first, and ends with them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use quick_cache::sync::Cache;

use super::SignInEnds;
use crate::{
    auth::{Claims, DocumentGrants, application_subject},
    domain::{AccessLevel, DocumentId, DocumentName, EndedSignIns, Party, SignInId, UserId},
    room::Rooms,
    store::{
        DocumentTokenUse, EndedToken, NewDocumentToken, OutsideProfile, Store, StoreError,
        UserAccess,
    },
};

/// How many tokens are remembered.
const REMEMBERED: usize = 50_000;

/// How long tokens are remembered after their expiry, which the clocks of nodes reach at different times.
const KEPT_AFTER_EXPIRY: TimeDelta = TimeDelta::minutes(10);

/// A token that is stored: its sign-in, its user, and when it expires.
type StoredToken = (SignInId, UserId, DateTime<Utc>);

/// Stores what document tokens grant when they are used first.
#[derive(Clone)]
pub(super) struct UsedDocumentTokens {
    store: Store,
    rooms: Rooms,
    stored: Arc<Cache<StoredToken, ()>>,
}

impl UsedDocumentTokens {
    pub(super) fn new(store: Store, rooms: Rooms) -> Self {
        Self { store, rooms, stored: Arc::new(Cache::new(REMEMBERED)) }
    }

    /// Stores what the token of these claims grants to its user, unless it is stored already, and announces it. Returns whether
    /// the token may be used.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    ///
    /// # Cancel safety
    /// What has begun goes on when the future is dropped.
    pub(super) async fn note(
        &self,
        user: UserId,
        claims: &Claims,
        grants: &DocumentGrants,
    ) -> Result<bool, StoreError> {
        let name = (claims.sign_in.id, user, claims.expires_at);
        // The end of a token that was used is found with its sign-in.
        if self.stored.get(&name).is_some() {
            return Ok(true);
        }
        let token = NewDocumentToken {
            sign_in: claims.sign_in,
            application: (*grants.application).to_owned(),
            key_id: (*grants.key_id).to_owned(),
            user,
            levels: self.levels(user, grants).await?,
            kept_until: claims.expires_at + KEPT_AFTER_EXPIRY,
        };
        let (store, rooms) = (self.store.clone(), self.rooms.clone());
        // A write must not be dropped half-way, nor must its announcement.
        let storing = tokio::spawn(async move {
            let used = store.note_document_token(&token).await?;
            if let DocumentTokenUse::Accepted(changes) = &used {
                for UserAccess { document, user, access } in changes {
                    rooms.apply_access(*document, *user, *access).await;
                }
                let changes = changes.clone();
                tokio::spawn(async move { rooms.announce_access(changes).await });
            }
            Ok::<_, StoreError>(used)
        });
        match storing.await.map_err(StoreError::internal)?? {
            DocumentTokenUse::Accepted(_) => {
                self.stored.insert(name, ());
                Ok(true)
            }
            DocumentTokenUse::Refused => Ok(false),
        }
    }

    /// Returns the levels that a token grants by the ids of the documents. Keys that no document has are left out, and of two
    /// levels on one document the higher one counts.
    async fn levels(
        &self,
        user: UserId,
        grants: &DocumentGrants,
    ) -> Result<BTreeMap<DocumentId, AccessLevel>, StoreError> {
        let keys = grants.levels.keys().filter_map(|name| match name {
            DocumentName::Key(key) => Some(key),
            DocumentName::Id(_) => None,
        });
        let keys: Vec<_> = keys.collect();
        let by_key = match keys.is_empty() {
            true => HashMap::new(),
            false => {
                self.store.read_for(Party::User(user), self.store.list_by_keys(keys)).await??
            }
        };
        let mut levels = BTreeMap::new();
        for (name, level) in &grants.levels {
            let document = match name {
                DocumentName::Id(id) => Some(*id),
                DocumentName::Key(key) => by_key.get(key).copied(),
            };
            if let Some(document) = document {
                let known = levels.entry(document).or_insert(*level);
                *known = Ord::max(*known, *level);
            }
        }
        Ok(levels)
    }
}

/// Ends document tokens: they are refused from then on, the sessions with them close, and what they grant ends, on every node.
#[derive(Clone)]
pub struct DocumentTokenEnds {
    store: Store,
    ends: SignInEnds,
}

impl DocumentTokenEnds {
    /// Ends tokens in this store, and their sessions with `ends`.
    #[must_use]
    pub fn new(store: Store, ends: SignInEnds) -> Self {
        Self { store, ends }
    }

    /// Ends the token with this id (`jti`) of an application, which need not have been used. It is remembered until
    /// `kept_until`, when it must have expired.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_token(
        &self,
        application: &str,
        token_id: &str,
        kept_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sign_in = DocumentGrants::sign_in(application, token_id);
        match self.store.end_document_token(application, sign_in, kept_until).await? {
            Some(used) => self.end_used(used).await,
            None => Ok(()),
        }
    }

    /// Ends all tokens of a user of an application that were issued before now. Returns false if the application cannot have
    /// such a user.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_tokens_of(
        &self,
        application: &str,
        subject: &str,
    ) -> Result<bool, StoreError> {
        let Some(subject) = application_subject(application, subject) else { return Ok(false) };
        // The end of tokens that were not used yet is stored with the account.
        let (profile, now) = (OutsideProfile::default(), Utc::now());
        let user = self.store.enrol_outside_user(&subject, &profile, now).await?.user;
        let ended = self.store.end_all_sign_ins(user).await?;
        self.ends.announce(user, ended, None);
        self.ends.end_granted(user, None).await?;
        Ok(true)
    }

    /// Ends the tokens that were signed with keys that an operator has removed.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn end_tokens_of_removed_keys(&self) -> Result<(), StoreError> {
        loop {
            let tokens = self.store.list_tokens_of_removed_keys().await?;
            if tokens.is_empty() {
                return Ok(());
            }
            for token in tokens {
                self.end_used(token).await?;
                // Last, so that it is found again if the node stops before.
                self.store.mark_document_token(token.sign_in).await?;
            }
        }
    }

    async fn end_used(&self, token: EndedToken) -> Result<(), StoreError> {
        let EndedToken { sign_in, user, kept_until } = token;
        self.store.end_sign_in(user, sign_in, kept_until).await?;
        self.ends.announce(user, EndedSignIns::One(sign_in), None);
        self.ends.end_granted(user, Some(sign_in)).await
    }
}
