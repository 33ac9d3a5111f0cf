//! What the resolvers of one operation read: each thing once, however often it is selected.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
};
use futures_util::{StreamExt as _, stream};

use super::{
    Api, ApiError,
    answer::{AnswerBudget, AnswerTooLarge, Encoded},
};
use crate::{
    domain::{Collaborator, DocumentId, Presence, User, UserId, Version},
    editing::LoadError,
    store::StoreError,
};

/// The texts of one operation that are loaded at the same time.
const TEXTS_AT_ONCE: usize = 4;

/// The reads of one operation.
pub(super) struct Loaders(DataLoader<Reader, HashMapCache>);

struct Reader {
    api: Arc<Api>,
    budget: Arc<AnswerBudget>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CollaboratorsOf(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PresenceIn(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TextAt(DocumentId, Version);

/// Why a text cannot be answered.
#[derive(Debug, Clone)]
enum TextError {
    Load(LoadError),
    TooLarge(AnswerTooLarge),
}

impl Loaders {
    /// Returns the reads of an operation that have not begun.
    pub(super) fn new(api: Arc<Api>, budget: Arc<AnswerBudget>) -> Self {
        let spawn = |reading| {
            actix_rt::spawn(reading);
        };
        let loader = DataLoader::with_cache(Reader { api, budget }, spawn, HashMapCache::default());
        Self(loader.delay(std::time::Duration::ZERO))
    }

    /// Returns a user.
    ///
    /// # Errors
    /// There is no such user, or the store failed.
    pub(super) async fn user(&self, user: UserId) -> Result<User, ApiError> {
        Ok(self.0.load_one(user).await?.ok_or(StoreError::NoSuchUser)?)
    }

    /// Returns the collaborators of a document, in the order of granting.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn collaborators(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[Collaborator]>, ApiError> {
        Ok(self.0.load_one(CollaboratorsOf(document)).await?.unwrap_or_default())
    }

    /// Returns the sessions that have a document open, in the order in which they opened it.
    ///
    /// # Errors
    /// None; a roster that fails returns the sessions that it knows.
    pub(super) async fn presence(&self, document: DocumentId) -> Result<Arc<[Presence]>, ApiError> {
        Ok(self.0.load_one(PresenceIn(document)).await?.unwrap_or_default())
    }

    /// Returns the text of a document at a version, and spends its bytes.
    ///
    /// # Errors
    /// It cannot be loaded, or the answer would become too large.
    pub(super) async fn text(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Encoded<String>, ApiError> {
        let text = self.0.load_one(TextAt(document, version)).await?;
        let text = text.unwrap_or(Err(TextError::Load(LoadError::NotKept)));
        let text = text.map_err(|error| match error {
            TextError::Load(error) => ApiError::from(error),
            TextError::TooLarge(error) => ApiError::from(error),
        })?;
        self.0.loader().budget.spend_bytes(text.bytes())?;
        Ok(text)
    }
}

/// Returns the reads of the operation of `ctx`.
///
/// # Errors
/// [`ApiError::SchemaOnly`]: there is no operation.
pub(super) fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt::<Loaders>().ok_or(ApiError::SchemaOnly)
}

impl Loader<UserId> for Reader {
    type Value = User;
    type Error = StoreError;

    async fn load(&self, users: &[UserId]) -> Result<HashMap<UserId, User>, StoreError> {
        self.api.store.load_users(users.iter().copied()).await
    }
}

impl Loader<CollaboratorsOf> for Reader {
    type Value = Arc<[Collaborator]>;
    type Error = StoreError;

    async fn load(
        &self,
        keys: &[CollaboratorsOf],
    ) -> Result<HashMap<CollaboratorsOf, Self::Value>, StoreError> {
        let mut found = HashMap::with_capacity(keys.len());
        for key in keys {
            found.insert(*key, self.api.store.list_collaborators(key.0).await?.into());
        }
        Ok(found)
    }
}

impl Loader<PresenceIn> for Reader {
    type Value = Arc<[Presence]>;
    type Error = StoreError;

    async fn load(
        &self,
        keys: &[PresenceIn],
    ) -> Result<HashMap<PresenceIn, Self::Value>, StoreError> {
        let mut found = HashMap::with_capacity(keys.len());
        for key in keys {
            found.insert(*key, self.api.roster.list(key.0).await.into());
        }
        Ok(found)
    }
}

impl Loader<TextAt> for Reader {
    type Value = Result<Encoded<String>, TextError>;
    type Error = LoadError;

    /// Each text succeeds or fails for itself. Texts that the answer has no room for are not kept.
    async fn load(&self, keys: &[TextAt]) -> Result<HashMap<TextAt, Self::Value>, LoadError> {
        let mut left = self.budget.bytes_left();
        let mut texts = stream::iter(keys.to_vec())
            .map(|key| async move { (key, self.read_text(key).await) })
            .buffered(TEXTS_AT_ONCE);
        let mut found = HashMap::with_capacity(keys.len());
        while let Some((key, text)) = texts.next().await {
            let text = text.map_err(TextError::Load).and_then(|text| {
                match left.checked_sub(text.bytes()) {
                    Some(rest) => left = rest,
                    None => return Err(TextError::TooLarge(self.budget.too_large())),
                }
                Ok(text)
            });
            let is_full = matches!(text, Err(TextError::TooLarge(_)));
            found.insert(key, text);
            if is_full {
                break;
            }
        }
        let full = || Err(TextError::TooLarge(self.budget.too_large()));
        Ok(keys.iter().map(|key| (*key, found.remove(key).unwrap_or_else(full))).collect())
    }
}

impl Reader {
    async fn read_text(
        &self,
        TextAt(document, version): TextAt,
    ) -> Result<Encoded<String>, LoadError> {
        Encoded::text_off_thread(self.api.rooms.content_at(document, version).await?).await
    }
}
