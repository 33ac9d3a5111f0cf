//! What the resolvers of one operation read: each thing once, however often it is selected.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
};
use futures_util::{StreamExt as _, future::join_all, stream};

use super::{
    Api, ApiError,
    answer::{AnswerBudget, AnswerRefused, Encoded, FirstTime},
    types::{Base64, JsonValue},
};
use crate::{
    domain::{
        Collaborator, Content, DocumentId, DocumentKey, Metadata, Party, Presence, User, UserId,
        Version,
    },
    editing::{LoadError, Replica},
    fair_queue::FairQueue,
    store::{NamedVersion, StoreError},
    wire::yjs::for_clients,
};

/// The texts of one operation that are loaded at the same time.
const TEXTS_AT_ONCE: usize = 4;

/// The reads of one operation. They end with it: a read that is under way is finished, but none begins.
pub(super) struct Loaders {
    loader: DataLoader<Reader, HashMapCache>,
    /// Whether the operation still waits for the answer.
    is_wanted: Arc<AtomicBool>,
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

struct Reader {
    is_wanted: Arc<AtomicBool>,
    api: Arc<Api>,
    /// The party that the operation runs for.
    party: Party,
    budget: Arc<AnswerBudget>,
    /// The turns of work on large texts.
    turns: FairQueue<Party>,
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TextAt(DocumentId, Version);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct JsonAt(DocumentId, Version);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct BodyAt(DocumentId, Version, Option<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct UpdateAt(DocumentId, Version);

/// Why a text cannot be answered.
#[derive(Debug, Clone)]
enum TextError {
    Load(LoadError),
    Refused(AnswerRefused),
}

/// A text, or another form of the content, whose bytes have been spent once.
#[derive(Clone)]
struct LoadedText<T = String> {
    text: Encoded<T>,
    first: Arc<FirstTime>,
}

impl Loaders {
    /// Returns the reads of an operation that have not begun.
    pub(super) fn new(
        api: Arc<Api>,
        turns: FairQueue<Party>,
        party: Party,
        budget: Arc<AnswerBudget>,
    ) -> Self {
        let spawn = |reading| {
            actix_rt::spawn(reading);
        };
        let is_wanted = Arc::new(AtomicBool::new(true));
        let reader = Reader { is_wanted: Arc::clone(&is_wanted), api, party, budget, turns };
        let loader = DataLoader::with_cache(reader, spawn, HashMapCache::default());
        Self { loader: loader.delay(std::time::Duration::ZERO), is_wanted }
    }

    /// Returns a user.
    ///
    /// # Errors
    /// There is no such user, or the store failed.
    pub(super) async fn user(&self, user: UserId) -> Result<User, ApiError> {
        Ok(self.loader.load_one(user).await?.ok_or(StoreError::NoSuchUser)?)
    }

    /// Returns the collaborators of a document, in the order of granting.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn collaborators(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[Collaborator]>, ApiError> {
        Ok(self.loader.load_one(CollaboratorsOf(document)).await?.unwrap_or_default())
    }

    /// Returns the key of a document, if it has one.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn key(&self, document: DocumentId) -> Result<Option<DocumentKey>, ApiError> {
        Ok(self.loader.load_one(KeyOf(document)).await?)
    }

    /// Forgets the keys that were read, because the operation has changed one.
    pub(super) fn forget_keys(&self) {
        self.loader.clear::<KeyOf>();
    }

    /// Returns the metadata of a document.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn metadata(&self, document: DocumentId) -> Result<Metadata, ApiError> {
        Ok(self.loader.load_one(MetadataOf(document)).await?.unwrap_or_default())
    }

    /// Forgets the metadata that was read, because the operation has changed some.
    pub(super) fn forget_metadata(&self) {
        self.loader.clear::<MetadataOf>();
    }

    /// Returns the named versions of a document, newest version first.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn named_versions(
        &self,
        document: DocumentId,
    ) -> Result<Arc<[NamedVersion]>, ApiError> {
        Ok(self.loader.load_one(NamedVersionsOf(document)).await?.unwrap_or_default())
    }

    /// Forgets the named versions that were read, because the operation has changed some.
    pub(super) fn forget_named_versions(&self) {
        self.loader.clear::<NamedVersionsOf>();
    }

    /// Returns the sessions that have a document open, in the order in which they opened it.
    ///
    /// # Errors
    /// None; a roster that fails returns the sessions that it knows.
    pub(super) async fn presence(&self, document: DocumentId) -> Result<Arc<[Presence]>, ApiError> {
        Ok(self.loader.load_one(PresenceIn(document)).await?.unwrap_or_default())
    }

    /// Writes a text that is in memory as JSON.
    ///
    /// # Errors
    /// The work was aborted.
    pub(super) async fn write(&self, content: Content) -> Result<Encoded<String>, LoadError> {
        let reader = self.loader.loader();
        Encoded::text_in_turn(content, reader.turns.clone(), reader.party).await
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
        self.spent(self.loader.load_one(TextAt(document, version)).await?)
    }

    /// Returns the content of a document at a version as JSON in a string, and spends its bytes.
    ///
    /// # Errors
    /// It cannot be loaded, or the answer would become too large.
    pub(super) async fn json(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Encoded<String>, ApiError> {
        self.spent(self.loader.load_one(JsonAt(document, version)).await?)
    }

    /// Returns the content of a root type of a document at a version as JSON, and spends its bytes.
    ///
    /// # Errors
    /// It cannot be loaded, or the answer would become too large.
    pub(super) async fn body(
        &self,
        document: DocumentId,
        version: Version,
        root: Option<String>,
    ) -> Result<Encoded<JsonValue>, ApiError> {
        self.spent(self.loader.load_one(BodyAt(document, version, root)).await?)
    }

    /// Returns the whole Yjs document at a version as one update, and spends its bytes.
    ///
    /// # Errors
    /// It cannot be loaded, or the answer would become too large.
    pub(super) async fn update(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<Encoded<Base64>, ApiError> {
        self.spent(self.loader.load_one(UpdateAt(document, version)).await?)
    }

    /// Returns what was loaded. Spends its bytes, unless this is the first time: they were spent when it was loaded.
    fn spent<T>(
        &self,
        loaded: Option<Result<LoadedText<T>, TextError>>,
    ) -> Result<Encoded<T>, ApiError> {
        let loaded = loaded.unwrap_or(Err(TextError::Load(LoadError::NotKept)));
        let LoadedText { text, first } = loaded.map_err(|error| match error {
            TextError::Load(error) => ApiError::from(error),
            TextError::Refused(error) => ApiError::from(error),
        })?;
        if !first.take() {
            self.loader.loader().budget.spend_bytes(text.bytes())?;
        }
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

impl Loader<TextAt> for Reader {
    type Value = Result<LoadedText, TextError>;
    type Error = LoadError;

    /// Each text succeeds or fails for itself.
    async fn load(&self, keys: &[TextAt]) -> Result<HashMap<TextAt, Self::Value>, LoadError> {
        let texts = stream::iter(keys.to_vec())
            .map(|key| async move { (key, self.read_text(key).await) })
            .buffered(TEXTS_AT_ONCE);
        Ok(texts.collect().await)
    }
}

impl Loader<JsonAt> for Reader {
    type Value = Result<LoadedText, TextError>;
    type Error = LoadError;

    async fn load(&self, keys: &[JsonAt]) -> Result<HashMap<JsonAt, Self::Value>, LoadError> {
        let texts = stream::iter(keys.to_vec())
            .map(|key| async move { (key, self.read_json(key).await) })
            .buffered(TEXTS_AT_ONCE);
        Ok(texts.collect().await)
    }
}

impl Loader<BodyAt> for Reader {
    type Value = Result<LoadedText<JsonValue>, TextError>;
    type Error = LoadError;

    async fn load(&self, keys: &[BodyAt]) -> Result<HashMap<BodyAt, Self::Value>, LoadError> {
        let bodies = stream::iter(keys.to_vec())
            .map(|key| async move { (key.clone(), self.read_body(key).await) })
            .buffered(TEXTS_AT_ONCE);
        Ok(bodies.collect().await)
    }
}

impl Loader<UpdateAt> for Reader {
    type Value = Result<LoadedText<Base64>, TextError>;
    type Error = LoadError;

    async fn load(&self, keys: &[UpdateAt]) -> Result<HashMap<UpdateAt, Self::Value>, LoadError> {
        let updates = stream::iter(keys.to_vec())
            .map(|key| async move { (key, self.read_update(key).await) })
            .buffered(TEXTS_AT_ONCE);
        Ok(updates.collect().await)
    }
}

impl Reader {
    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Checks that something may be read. After a refusal nothing is.
    fn check(&self) -> Result<(), TextError> {
        if !self.is_wanted() {
            return Err(TextError::Load(LoadError::Aborted));
        }
        self.budget.check().map_err(TextError::Refused)
    }

    /// Reads the content of a document as JSON and spends its bytes.
    async fn read_json(&self, JsonAt(document, version): JsonAt) -> Result<LoadedText, TextError> {
        self.check()?;
        let budget = Arc::clone(&self.budget);
        let write = move |replica: &Replica| -> Result<_, AnswerRefused> {
            let json = replica.content_json_within(budget.bytes_left());
            let json = json.map_err(|_too_large| budget.refuse_too_large())?;
            Ok(Content::from(&*json.to_string()))
        };
        let reading = self.api.rooms.read_replica(document, version, self.party, write);
        let written = reading.await.map_err(TextError::Load)?;
        let json = written.map_err(TextError::Refused)?;
        let text = Encoded::text_in_turn(json, self.turns.clone(), self.party).await;
        let text = text.map_err(TextError::Load)?;
        self.budget.spend_bytes(text.bytes()).map_err(TextError::Refused)?;
        Ok(LoadedText { text, first: Arc::default() })
    }

    /// Reads the content of a root type and spends its bytes.
    async fn read_body(
        &self,
        BodyAt(document, version, root): BodyAt,
    ) -> Result<LoadedText<JsonValue>, TextError> {
        self.check()?;
        let budget = Arc::clone(&self.budget);
        let write = move |replica: &Replica| -> Result<_, AnswerRefused> {
            let root = root.unwrap_or_else(|| replica.body_root());
            let json = replica.root_json_within(&root, budget.bytes_left());
            let json = json.map_err(|_too_large| budget.refuse_too_large())?;
            let json = json.unwrap_or_default().to_string();
            budget.spend_bytes(json.len())?;
            Ok(Encoded::json(&json))
        };
        let reading = self.api.rooms.read_replica(document, version, self.party, write);
        let written = reading.await.map_err(TextError::Load)?;
        let text = written.map_err(TextError::Refused)?;
        Ok(LoadedText { text, first: Arc::default() })
    }

    /// Reads a whole Yjs document. Its bytes are spent before they are written.
    async fn read_update(
        &self,
        UpdateAt(document, version): UpdateAt,
    ) -> Result<LoadedText<Base64>, TextError> {
        self.check()?;
        let budget = Arc::clone(&self.budget);
        let write = move |replica: &Replica| -> Result<_, AnswerRefused> {
            let state = replica.state();
            let update = for_clients(&state);
            budget.spend_bytes(Encoded::<Base64>::base64_bytes(update.len()))?;
            Ok(Encoded::base64(&update))
        };
        let reading = self.api.rooms.read_replica(document, version, self.party, write);
        let written = reading.await.map_err(TextError::Load)?;
        let text = written.map_err(TextError::Refused)?;
        Ok(LoadedText { text, first: Arc::default() })
    }

    /// Reads the plain text of the body of a document and spends its bytes. After a refusal nothing is read.
    async fn read_text(&self, TextAt(document, version): TextAt) -> Result<LoadedText, TextError> {
        self.check()?;
        let content = self.api.rooms.text_at(document, version, self.party).await;
        let content = content.map_err(TextError::Load)?;
        let text = Encoded::text_in_turn(content, self.turns.clone(), self.party).await;
        let text = text.map_err(TextError::Load)?;
        self.budget.spend_bytes(text.bytes()).map_err(TextError::Refused)?;
        Ok(LoadedText { text, first: Arc::default() })
    }
}
