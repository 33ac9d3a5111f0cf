//! New content of a root type, made for an earlier version of the document.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    BodyKind, BodyMismatch, DocumentBody, EditError, MergeBounds, MergeError, RestoreError,
    earlier_content::EarlierContent,
};
use crate::domain::Exhausted;

/// New content of a root type, as a client gives it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GivenBody {
    /// The name of the root type. `None` for the body of the document.
    pub root: Option<String>,
    /// What the root type is, if that was given.
    pub kind: Option<BodyKind>,
    /// The content.
    pub json: Arc<Value>,
}

impl GivenBody {
    /// Reads it as new content of a document whose content was `earlier`.
    fn read(&self, earlier: &EarlierContent) -> Result<DocumentBody, BodyMismatch> {
        let json = Arc::clone(&self.json);
        match &self.root {
            Some(root) => DocumentBody::new(root, self.kind, json),
            None => DocumentBody::new(&earlier.body_root(), self.kind, json),
        }
    }
}

/// New content of a root type. What it changes in the version that it was made for is computed once.
pub struct BodyChange {
    given: GivenBody,
    body: DocumentBody,
    /// The document at that version, until the change is computed.
    earlier: Mutex<Option<EarlierContent>>,
    /// The change as a Yjs update. `None` inside if nothing changes.
    update: OnceLock<Option<Bytes>>,
    weight: usize,
}

impl BodyChange {
    /// Creates the change of a document, whose content at the version that the new content was made for is `earlier`. Reads all of the
    /// new content.
    ///
    /// # Errors
    /// [`BodyMismatch`].
    pub fn new(given: GivenBody, earlier: EarlierContent) -> Result<Self, BodyMismatch> {
        let body = given.read(&earlier)?;
        let weight = earlier.weight() + json_bytes(&given.json);
        let (earlier, update) = (Mutex::new(Some(earlier)), OnceLock::new());
        Ok(Self { given, body, earlier, update, weight })
    }

    /// The new content as it was given.
    pub(super) fn given(&self) -> &GivenBody {
        &self.given
    }

    /// The size of the new content and of the document at that version, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the change as a Yjs update. `None` if nothing changes.
    ///
    /// # Errors
    /// The change breaks a limit or needs too much work, or the document has content that cannot be compared.
    pub(super) fn update(&self, bounds: &MergeBounds) -> Result<Option<Bytes>, EditError> {
        if let Some(update) = self.update.get() {
            return Ok(update.clone());
        }
        // It is gone if the first attempt was stopped.
        let earlier = self.earlier.lock().take().ok_or(EditError::Busy)?;
        let written = earlier.replace_body(&self.body, bounds).map_err(|error| match error {
            RestoreError::Exhausted(Exhausted::Steps) => EditError::TooMuchWork,
            RestoreError::Unrestorable { name } => EditError::Irreplaceable { name },
            RestoreError::Limit(MergeError::DocumentTooManyStructs { limit }) => {
                EditError::TooManyStructs { limit }
            }
            error => error.into(),
        })?;
        let update = written.map(|written| written.update);
        Ok(self.update.get_or_init(|| update).clone())
    }
}

impl fmt::Debug for BodyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyChange").field("root", &self.body.root()).finish_non_exhaustive()
    }
}

/// Counts what is written, and keeps nothing.
#[derive(Default)]
struct ByteCounter(usize);

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the length of a value as JSON.
fn json_bytes(json: &Value) -> usize {
    let mut counter = ByteCounter::default();
    // A value can be written, and counting does not fail.
    serde_json::to_writer(&mut counter, json).map_or(usize::MAX, |()| counter.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_length_of_json_is_that_of_its_text() {
        let json = json!({ "type": "p", "content": [{ "text": "\"🎈\n" }, 1.5, null, true] });
        assert_eq!(json_bytes(&json), json.to_string().len());
    }
}
