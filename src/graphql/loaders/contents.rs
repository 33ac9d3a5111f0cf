//! The reads of contents: texts, bodies and whole Yjs documents, whose bytes the answer spends.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use futures_util::{StreamExt as _, stream};

use super::loaders::{Loaders, Reader};
use crate::{
    domain::{Content, DocumentId, Version},
    editing::{LoadError, Replica},
    graphql::{
        ApiError,
        answer::{AnswerRefused, Encoded, FirstTime},
        types::{Base64, JsonValue},
    },
    wire::yjs::for_clients,
};

/// The texts of one operation that are loaded at the same time.
const TEXTS_AT_ONCE: usize = 4;

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
    /// Writes a text that is in memory as JSON.
    ///
    /// # Errors
    /// The work was aborted.
    pub(in crate::graphql) async fn write(
        &self,
        content: Content,
    ) -> Result<Encoded<String>, LoadError> {
        let reader = self.loader.loader();
        Encoded::text_in_turn(content, reader.turns.clone(), reader.party).await
    }

    /// Returns the text of a document at a version, and spends its bytes.
    ///
    /// # Errors
    /// It cannot be loaded, or the answer would become too large.
    pub(in crate::graphql) async fn text(
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
    pub(in crate::graphql) async fn json(
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
    pub(in crate::graphql) async fn body(
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
    pub(in crate::graphql) async fn update(
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
