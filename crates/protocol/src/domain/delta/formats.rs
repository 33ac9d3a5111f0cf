//! The formats of text, as steps of deltas have them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Tie;
use crate::domain::{
    InvalidInput, Metadata,
    json_size::{fits, json_bytes},
};

/// The quotes and separators of an entry, in bytes of JSON.
const ENTRY_BYTES: usize = 4;

/// The formats that a step gives to text: a JSON value for each name, and null where it removes the format. Clones share
/// their memory, and a step without formats takes none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TextFormats(Option<Arc<FormatValues>>);

/// Formats of which there is at least one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FormatValues {
    values: Map<String, Value>,
    /// The estimated size as JSON.
    bytes: usize,
}

impl FormatValues {
    fn shares_a_name_with(&self, others: &Self) -> bool {
        self.values.keys().any(|name| others.values.contains_key(name))
    }
}

/// The formats of a step that has none.
pub(super) static NO_FORMATS: TextFormats = TextFormats(None);

impl TextFormats {
    /// The most bytes of the formats of a step as JSON.
    pub const MAX_BYTES: usize = Metadata::MAX_BYTES;

    /// The most levels of objects and lists, the object of the formats included.
    pub const MAX_DEPTH: usize = Metadata::MAX_DEPTH;

    /// The most formats of a step.
    pub const MAX_COUNT: usize = Metadata::MAX_MEMBERS;

    /// The most characters of the name of a format.
    pub const MAX_NAME_LENGTH: usize = Metadata::MAX_NAME_LENGTH;

    /// Creates formats from user input.
    ///
    /// # Errors
    /// They are not an object, too many, too large or nested too deep, or a name is empty, too long or has control characters.
    pub fn new(value: Value) -> Result<Self, InvalidInput> {
        let mut left = Self::MAX_BYTES;
        if !fits(&value, Self::MAX_DEPTH, &mut left) {
            return Err(InvalidInput::new(format!(
                "the attributes have more than {} bytes of JSON, or more than {} levels. Send less with each step.",
                Self::MAX_BYTES,
                Self::MAX_DEPTH
            )));
        }
        let Value::Object(values) = value else {
            let message =
                "the attributes are not a JSON object, such as {\"bold\": true}. Send one.";
            return Err(InvalidInput::new(message));
        };
        if values.len() > Self::MAX_COUNT {
            return Err(InvalidInput::new(format!(
                "it has {} attributes; at most {} are allowed. Send less with each step.",
                values.len(),
                Self::MAX_COUNT
            )));
        }
        if !values.keys().all(|name| is_name(name)) {
            return Err(InvalidInput::new(format!(
                "the name of an attribute is empty, longer than {} characters, or has control characters. Choose another one.",
                Self::MAX_NAME_LENGTH
            )));
        }
        Ok(values.into())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().flat_map(|formats| &formats.values)
    }

    /// Returns the number of formats.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |formats| formats.values.len())
    }

    /// Estimates the size as JSON, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |formats| formats.bytes)
    }

    /// Returns the formats of text that has these and then receives `later`.
    pub(super) fn then(&self, later: &Self) -> Self {
        match (&self.0, &later.0) {
            (_, None) => self.clone(),
            (None, Some(_)) => later.clone(),
            (Some(first), Some(second)) => {
                let mut values = first.values.clone();
                values.extend(
                    second.values.iter().map(|(name, value)| (name.clone(), value.clone())),
                );
                values.into()
            }
        }
    }

    /// Returns those that are left beside concurrent ones for the same text. If both set a format, that of the step that comes first
    /// is kept, as with the delta of Quill.
    pub(super) fn beside(&self, others: &Self, tie: Tie) -> Self {
        match (&self.0, &others.0) {
            (Some(mine), Some(theirs)) if tie == Tie::Theirs && mine.shares_a_name_with(theirs) => {
                let left =
                    mine.values.iter().filter(|(name, _)| !theirs.values.contains_key(*name));
                left.map(|(name, value)| (name.clone(), value.clone()))
                    .collect::<Map<_, _>>()
                    .into()
            }
            _ => self.clone(),
        }
    }

    /// Returns those that text with the formats `present` does not have yet.
    pub(super) fn besides_present(&self, present: &Self) -> Self {
        let value_of = |name: &str| present.0.as_ref().and_then(|formats| formats.values.get(name));
        let is_new = |name: &str, value: &Value| match value_of(name) {
            Some(present) => present != value,
            None => !value.is_null(),
        };
        match &self.0 {
            Some(formats) if formats.values.iter().any(|(name, value)| !is_new(name, value)) => {
                let new = formats.values.iter().filter(|(name, value)| is_new(name, value));
                new.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
            }
            _ => self.clone(),
        }
    }

    /// Returns those of inserted text, which has nothing that could be removed.
    pub(super) fn of_insertion(self) -> Self {
        match &self.0 {
            Some(formats) if formats.values.values().any(Value::is_null) => {
                let values = formats.values.iter().filter(|(_, value)| !value.is_null());
                values
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect::<Map<_, _>>()
                    .into()
            }
            _ => self,
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().nth(TextFormats::MAX_NAME_LENGTH).is_none()
        && !name.chars().any(char::is_control)
}

/// Formats that were checked before.
impl From<Map<String, Value>> for TextFormats {
    fn from(values: Map<String, Value>) -> Self {
        if values.is_empty() {
            return Self(None);
        }
        let entry = |(name, value): (&String, &Value)| name.len() + ENTRY_BYTES + json_bytes(value);
        let bytes = values.iter().map(entry).sum();
        Self(Some(Arc::new(FormatValues { values, bytes })))
    }
}

impl Serialize for TextFormats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().map(|formats| &formats.values).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TextFormats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Option::<Map<String, Value>>::deserialize(deserializer)?;
        Ok(values.unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn formats(value: Value) -> TextFormats {
        TextFormats::new(value).unwrap()
    }

    #[test]
    fn formats_have_bounds() {
        let mut deep = json!(1);
        for _ in 1..TextFormats::MAX_DEPTH {
            deep = json!([deep]);
        }
        assert!(TextFormats::new(json!({ "a": deep })).is_ok());
        let many: Map<_, _> =
            (0..=TextFormats::MAX_COUNT).map(|number| (number.to_string(), json!(1))).collect();
        for (refused, reason) in [
            (json!([]), "not a JSON object"),
            (json!({ "a": [deep] }), "levels"),
            (json!({ "a": "x".repeat(TextFormats::MAX_BYTES) }), "bytes of JSON"),
            (Value::Object(many), "at most 64"),
            (json!({ "": 1 }), "is empty"),
            (json!({ "a\u{0}": 1 }), "control characters"),
            (json!({ ("x".repeat(101)): 1 }), "longer than 100"),
        ] {
            let error = TextFormats::new(refused).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(formats(json!({})).is_empty());
    }

    #[test]
    fn later_formats_replace_earlier_ones() {
        let first = formats(json!({ "bold": true, "color": "red" }));
        let later = formats(json!({ "bold": null, "italic": true }));
        let both = first.then(&later);
        assert_eq!(both, formats(json!({ "bold": null, "color": "red", "italic": true })));
        assert_eq!(both.of_insertion(), formats(json!({ "color": "red", "italic": true })));
        assert_eq!(first.then(&NO_FORMATS), first);
        assert_eq!(NO_FORMATS.then(&later), later);
    }

    #[test]
    fn of_concurrent_formats_the_first_is_kept() {
        let mine = formats(json!({ "bold": true, "color": "red" }));
        let theirs = formats(json!({ "color": null }));
        assert_eq!(mine.beside(&theirs, Tie::Theirs), formats(json!({ "bold": true })));
        assert_eq!(mine.beside(&theirs, Tie::Mine), mine);
        assert!(theirs.beside(&mine, Tie::Theirs).is_empty());
    }

    #[test]
    fn formats_that_text_has_are_not_new() {
        let present = formats(json!({ "bold": true, "color": "red" }));
        let set = formats(json!({ "bold": true, "color": "blue", "italic": null, "size": 1 }));
        let new = formats(json!({ "color": "blue", "size": 1 }));
        assert_eq!(set.besides_present(&present), new);
        assert_eq!(new.besides_present(&NO_FORMATS), new);
    }
}
