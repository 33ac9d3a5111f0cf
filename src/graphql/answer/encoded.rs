//! Values that were written as JSON before the rest of their answer.

use std::{borrow::Cow, marker::PhantomData};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field,
    registry::Registry,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::{
    domain::{Content, Party},
    editing::{
        LoadError,
        loader::{MAX_INLINE_BYTES, off_thread},
    },
    fair_queue::FairQueue,
    room::SharedJson,
};

/// A value of the GraphQL type `T`, as JSON. Cheap to clone, so a field that is selected several times is written once.
///
/// It is a [`Value::Binary`] in a response, which [`super::encode_response`] copies into the answer as it is.
pub(in crate::graphql) struct Encoded<T> {
    json: Bytes,
    kind: PhantomData<fn() -> T>,
}

impl<T> Encoded<T> {
    /// Returns a value that was written as JSON.
    pub(super) fn new(json: Vec<u8>) -> Self {
        Self { json: json.into(), kind: PhantomData }
    }

    /// Returns the JSON that `shared` has for `key`, which `write` writes the first time.
    ///
    /// # Errors
    /// That of `write`.
    pub(in crate::graphql) fn shared<K: PartialEq, E>(
        shared: &SharedJson<K>,
        key: K,
        write: impl FnOnce() -> Result<Self, E>,
    ) -> Result<Self, E> {
        let json = shared.get_or_write(key, || Ok(write()?.json))?;
        Ok(Self { json, kind: PhantomData })
    }

    /// Returns the number of bytes of JSON.
    pub(in crate::graphql) fn bytes(&self) -> usize {
        self.json.len()
    }
}

impl<T> Clone for Encoded<T> {
    fn clone(&self) -> Self {
        Self { json: self.json.clone(), kind: PhantomData }
    }
}

impl Encoded<String> {
    /// Writes a text as a JSON string. Takes about a millisecond per megabyte.
    ///
    /// # Errors
    /// The text cannot be written, which is a bug.
    pub(in crate::graphql) fn text(content: &Content) -> Result<Self, serde_json::Error> {
        let mut json = Vec::with_capacity(content.bytes() + content.bytes() / 16 + 2);
        serde_json::to_writer(&mut json, &Shown(content))?;
        Ok(Self::new(json))
    }

    /// Writes a text as a JSON string, a large one on another thread when it is the turn of the party. There is no deadline: a
    /// text may answer a mutation that has been carried out.
    ///
    /// # Errors
    /// The text cannot be written, which is a bug, or the work was aborted.
    pub(in crate::graphql) async fn text_in_turn(
        content: Content,
        turns: FairQueue<Party>,
        party: Party,
    ) -> Result<Self, LoadError> {
        let bytes = content.bytes();
        let written = if bytes <= MAX_INLINE_BYTES {
            Self::text(&content)
        } else {
            // A task of its own takes the turn. The operation may wait for its next one meanwhile, and would not use this.
            let writing = tokio::spawn(async move {
                // The queue refuses nobody; if it did, turns would not be limited.
                let turn = turns.acquire(party).await.ok();
                let write = move || {
                    // The turn ends with the work, even if the operation has been cancelled.
                    let _turn = turn;
                    Self::text(&content)
                };
                off_thread(bytes, write).await
            });
            writing.await.map_err(|_aborted| LoadError::Aborted)??
        };
        written.map_err(|error| {
            tracing::error!(%error, "a text could not be written as JSON");
            LoadError::Aborted
        })
    }
}

impl<T> Encoded<T> {
    /// Returns a value that is JSON already.
    pub(in crate::graphql) fn json(json: &str) -> Self {
        Self::new(json.as_bytes().to_vec())
    }

    /// Returns how many bytes of JSON [`base64`](Self::base64) writes for this number of bytes.
    pub(in crate::graphql) fn base64_bytes(bytes: usize) -> usize {
        bytes.div_ceil(3).saturating_mul(4).saturating_add(2)
    }

    /// Writes bytes as a JSON string in standard base64 (RFC 4648, section 4), which needs no escapes.
    pub(in crate::graphql) fn base64(bytes: &[u8]) -> Self {
        let mut json = String::with_capacity(Self::base64_bytes(bytes.len()));
        json.push('"');
        STANDARD.encode_string(bytes, &mut json);
        json.push('"');
        Self::new(json.into_bytes())
    }
}

/// A text as a string of its chunks.
struct Shown<'a>(&'a Content);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl<T: OutputType> OutputType for Encoded<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        _ctx: &ContextSelectionSet<'_>,
        _field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::Binary(self.json.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_written_once() {
        let (shared, mut written) = (SharedJson::default(), 0);
        for _ in 0..3 {
            let encoded = Encoded::<String>::shared(&shared, (), || {
                written += 1;
                Encoded::text(&Content::from("text"))
            });
            assert_eq!(&*encoded.unwrap().json, b"\"text\"");
        }
        assert_eq!(written, 1);
    }

    #[test]
    fn texts_and_bytes_are_valid_json() {
        let text = "a\"\\\u{1}🎈\n\u{2028}".repeat(10_000);
        let encoded = Encoded::text(&Content::from(&*text)).unwrap();
        assert_eq!(serde_json::from_slice::<String>(&encoded.json).unwrap(), text);
        let encoded = Encoded::<String>::base64(&[0, 255, 62, 63]);
        assert_eq!(&*encoded.json, b"\"AP8+Pw==\"");
        assert_eq!(encoded.bytes(), Encoded::<String>::base64_bytes(4));
    }
}
