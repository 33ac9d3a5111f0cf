//! The reads of users and of what a document has besides its content. All reads of one kind are made together.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use futures_util::future::join_all;

use super::loaders::{Loaders, Reader};
use crate::{
    domain::{Collaborator, DocumentId, DocumentKey, Metadata, Presence, User, UserId},
    graphql::ApiError,
    store::{NamedVersion, StoreError},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CollaboratorsOf(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyOf(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct MetadataOf(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NamedVersionsOf(DocumentId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PresenceIn(DocumentId);

impl Loaders {
    /// Returns a user.
    ///
    /// # Errors
    /// There is no such user, or the store failed.
    pub(in crate::graphql) async fn user(&self, user: UserId) -> Result<User, ApiError> {
        Ok(self.loader.load_one(user).await?.ok_or(StoreError::NoSuchUser)?)
    }

    /// Returns the collaborators of a document, in the order of granting.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::graphql) async fn collaborators(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[Collaborator]>, ApiError> {
        Ok(self.loader.load_one(CollaboratorsOf(document)).await?.unwrap_or_default())
    }

    /// Returns the key of a document, if it has one.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::graphql) async fn key(
        &self,
        document: DocumentId,
    ) -> Result<Option<DocumentKey>, ApiError> {
        Ok(self.loader.load_one(KeyOf(document)).await?)
    }

    /// Forgets the keys that were read, because the operation has changed one.
    pub(in crate::graphql) fn forget_keys(&self) {
        self.loader.clear::<KeyOf>();
    }

    /// Returns the metadata of a document.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::graphql) async fn metadata(
        &self,
        document: DocumentId,
    ) -> Result<Metadata, ApiError> {
        Ok(self.loader.load_one(MetadataOf(document)).await?.unwrap_or_default())
    }

    /// Forgets the metadata that was read, because the operation has changed some.
    pub(in crate::graphql) fn forget_metadata(&self) {
        self.loader.clear::<MetadataOf>();
    }

    /// Returns the named versions of a document, newest version first.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::graphql) async fn named_versions(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[NamedVersion]>, ApiError> {
        Ok(self.loader.load_one(NamedVersionsOf(document)).await?.unwrap_or_default())
    }

    /// Forgets the named versions that were read, because the operation has changed some.
    pub(in crate::graphql) fn forget_named_versions(&self) {
        self.loader.clear::<NamedVersionsOf>();
    }

    /// Returns the sessions that have a document open, in the order in which they opened it.
    ///
    /// # Errors
    /// None; a roster that fails returns the sessions that it knows.
    pub(in crate::graphql) async fn presence(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[Presence]>, ApiError> {
        Ok(self.loader.load_one(PresenceIn(document)).await?.unwrap_or_default())
    }
}

impl Loader<UserId> for Reader {
    type Value = User;
    type Error = StoreError;

    async fn load(&self, users: &[UserId]) -> Result<HashMap<UserId, User>, StoreError> {
        let store = &self.api.store;
        store.read_for(self.party, store.load_users(users.iter().copied())).await?
    }
}

impl Loader<CollaboratorsOf> for Reader {
    type Value = Arc<[Collaborator]>;
    type Error = StoreError;

    async fn load(
        &self,
        keys: &[CollaboratorsOf],
    ) -> Result<HashMap<CollaboratorsOf, Self::Value>, StoreError> {
        let (store, documents) = (&self.api.store, keys.iter().map(|key| key.0));
        let listing = store.list_collaborators(documents);
        let mut found = store.read_for(self.party, listing).await??;
        let mut of = |key: &CollaboratorsOf| found.remove(&key.0).unwrap_or_default().into();
        Ok(keys.iter().map(|key| (*key, of(key))).collect())
    }
}

impl Loader<KeyOf> for Reader {
    type Value = DocumentKey;
    type Error = StoreError;

    async fn load(&self, keys: &[KeyOf]) -> Result<HashMap<KeyOf, DocumentKey>, StoreError> {
        let (store, documents) = (&self.api.store, keys.iter().map(|key| key.0));
        let found = store.read_for(self.party, store.list_keys(documents)).await??;
        Ok(found.into_iter().map(|(document, key)| (KeyOf(document), key)).collect())
    }
}

impl Loader<MetadataOf> for Reader {
    type Value = Metadata;
    type Error = StoreError;

    async fn load(&self, keys: &[MetadataOf]) -> Result<HashMap<MetadataOf, Metadata>, StoreError> {
        let (store, documents) = (&self.api.store, keys.iter().map(|key| key.0));
        let found = store.read_for(self.party, store.list_metadata(documents)).await??;
        Ok(found.into_iter().map(|(document, metadata)| (MetadataOf(document), metadata)).collect())
    }
}

impl Loader<NamedVersionsOf> for Reader {
    type Value = Arc<[NamedVersion]>;
    type Error = StoreError;

    async fn load(
        &self,
        keys: &[NamedVersionsOf],
    ) -> Result<HashMap<NamedVersionsOf, Self::Value>, StoreError> {
        let (store, documents) = (&self.api.store, keys.iter().map(|key| key.0));
        let listing = store.list_named_versions(documents);
        let mut found = store.read_for(self.party, listing).await??;
        let mut of = |key: &NamedVersionsOf| found.remove(&key.0).unwrap_or_default().into();
        Ok(keys.iter().map(|key| (*key, of(key))).collect())
    }
}

impl Loader<PresenceIn> for Reader {
    type Value = Arc<[Presence]>;
    type Error = StoreError;

    async fn load(
        &self,
        keys: &[PresenceIn],
    ) -> Result<HashMap<PresenceIn, Self::Value>, StoreError> {
        // Together, so that a roster in Redis answers them in one round trip.
        let lists = keys.iter().map(async |key| (*key, self.api.roster.list(key.0).await.into()));
        Ok(join_all(lists).await.into_iter().collect())
    }
}
