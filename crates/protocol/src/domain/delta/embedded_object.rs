//! Objects that are embedded in a text, such as images.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Delta;
use crate::domain::{
    InvalidInput,
    json_size::{fits, json_bytes},
};

/// An object that is embedded in a text, as JSON. It has the length 1. Clones share their memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmbeddedObject(Arc<EmbeddedValue>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct EmbeddedValue {
    value: Value,
    /// The estimated size as JSON.
    bytes: usize,
}

impl EmbeddedObject {
    /// The character of the plain text that stands for an object.
    pub const CHARACTER: &'static str = "\u{FFFC}";

    /// The most levels of objects and lists, the object itself included.
    pub const MAX_DEPTH: usize = 16;

    /// Creates an object from user input.
    ///
    /// # Errors
    /// It is not a JSON object with members, too large or nested too deep.
    pub fn new(value: Value) -> Result<Self, InvalidInput> {
        let mut left = Delta::MAX_RICH_BYTES;
        if !fits(&value, Self::MAX_DEPTH, &mut left) {
            return Err(InvalidInput::new(format!(
                "the embedded object has more than {} bytes of JSON, or more than {} levels. Keep the content elsewhere and embed \
                 its address.",
                Delta::MAX_RICH_BYTES,
                Self::MAX_DEPTH
            )));
        }
        if value.as_object().is_none_or(serde_json::Map::is_empty) {
            let message = "the embedded object is not a JSON object with a member, such as {\"image\": \"https://…\"}. Send one.";
            return Err(InvalidInput::new(message));
        }
        Ok(value.into())
    }

    /// Returns it as JSON.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.0.value
    }

    /// Estimates the size as JSON, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }
}

/// A value that was checked before.
impl From<Value> for EmbeddedObject {
    fn from(value: Value) -> Self {
        let bytes = json_bytes(&value);
        Self(Arc::new(EmbeddedValue { value, bytes }))
    }
}

impl Serialize for EmbeddedObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EmbeddedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Value::deserialize(deserializer)?.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_small_objects_are_embedded() {
        let large = "x".repeat(Delta::MAX_RICH_BYTES);
        for refused in
            [json!("image"), json!(null), json!([1]), json!({}), json!({ "image": large })]
        {
            assert!(EmbeddedObject::new(refused).is_err());
        }
        let image = json!({ "image": "x.png" });
        assert_eq!(*EmbeddedObject::new(image.clone()).unwrap().as_json(), image);
    }
}
