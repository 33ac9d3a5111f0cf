//! The metadata of documents: what an application notes about them.

use std::sync::Arc;

use serde_json::Value;

use super::{InvalidInput, json_size::fits};

/// The metadata of a document: a JSON object that an application chooses. Its top-level members with a string, a number or a
/// boolean are its labels, by which documents are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata(Arc<str>);

/// A member of metadata by which documents are found: its name, and its value as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataLabel {
    /// The name of the member.
    pub name: String,
    /// The value as JSON. Numbers that are equal have the same text.
    pub value: String,
}

impl Metadata {
    /// The most bytes of the object as JSON.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// The most levels of objects and lists, the object itself included.
    pub const MAX_DEPTH: usize = 8;

    /// The most members of the object itself.
    pub const MAX_MEMBERS: usize = 64;

    /// The most characters of the name of a member of the object itself.
    pub const MAX_NAME_LENGTH: usize = 100;

    /// The most labels by which a list is filtered.
    pub const MAX_FILTER: usize = 8;

    /// Creates metadata from user input.
    ///
    /// # Errors
    /// It is not an object, too large or nested too deep, or a name is empty, too long or has control characters.
    pub fn new(value: &Value) -> Result<Self, InvalidInput> {
        let members = members(value)?;
        if members.len() > Self::MAX_MEMBERS {
            return Err(InvalidInput::new(format!(
                "The metadata has {} members; at most {} are allowed. Put some of them into an object of their own.",
                members.len(),
                Self::MAX_MEMBERS
            )));
        }
        members.keys().try_for_each(|name| check_name(name))?;
        // Checked before it is written, which recurses and may take much memory.
        let mut left = Self::MAX_BYTES;
        if !fits(value, Self::MAX_DEPTH, &mut left) {
            return Err(too_large());
        }
        let json = value.to_string();
        if json.len() > Self::MAX_BYTES {
            return Err(too_large());
        }
        Ok(Self(json.into()))
    }

    /// Returns metadata without members.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// Wraps metadata that was read from the database, without checking it.
    #[must_use]
    pub fn stored(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }

    /// Returns the object as JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        &*self.0 == "{}"
    }

    /// Returns the labels, one for each member that can be one.
    #[must_use]
    pub fn labels(&self) -> Vec<MetadataLabel> {
        match serde_json::from_str(&self.0) {
            Ok(Value::Object(members)) => {
                let label = |(name, value): (String, Value)| {
                    let value = label_value(&value)?;
                    Some(MetadataLabel { name, value })
                };
                members.into_iter().filter_map(label).collect()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self::empty()
    }
}

impl MetadataLabel {
    /// The most characters of a string that is a label.
    pub const MAX_LENGTH: usize = 200;

    /// Returns the labels that an object asks for: documents with all of them are found.
    ///
    /// # Errors
    /// It is not an object, has too many members, or one of them cannot be a label.
    pub fn filter(value: &Value) -> Result<Vec<Self>, InvalidInput> {
        let members = members(value)?;
        if members.len() > Metadata::MAX_FILTER {
            return Err(InvalidInput::new(format!(
                "The filter names {} members of the metadata; at most {} are allowed.",
                members.len(),
                Metadata::MAX_FILTER
            )));
        }
        members.keys().try_for_each(|name| check_name(name))?;
        let label = |(name, value): (&String, &Value)| {
            let value = label_value(value).ok_or_else(|| not_a_label(name))?;
            Ok(Self { name: String::clone(name), value })
        };
        members.iter().map(label).collect()
    }
}

fn members(value: &Value) -> Result<&serde_json::Map<String, Value>, InvalidInput> {
    value.as_object().ok_or_else(|| {
        InvalidInput::new("Metadata is a JSON object, such as {\"status\": \"draft\"}. Send one.")
    })
}

fn check_name(name: &str) -> Result<(), InvalidInput> {
    let fits = !name.is_empty() && name.chars().nth(Metadata::MAX_NAME_LENGTH).is_none();
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(InvalidInput::new(format!(
        "The name of a member of the metadata is empty, longer than {} characters, or has control characters. Choose \
         another one.",
        Metadata::MAX_NAME_LENGTH
    )))
}

/// Returns the text of a label with this value. `None` if the value cannot be one.
fn label_value(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) => Some(value.to_string()),
        // `1` and `1.0` are equal.
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => (float + 0.0).to_string(),
            Some(_) | None => number.to_string(),
        }),
        Value::String(text) if text.chars().nth(MetadataLabel::MAX_LENGTH).is_none() => {
            Some(value.to_string())
        }
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn too_large() -> InvalidInput {
    InvalidInput::new(format!(
        "The metadata has more than {} bytes of JSON, or more than {} levels. Note less about the document.",
        Metadata::MAX_BYTES,
        Metadata::MAX_DEPTH
    ))
}

fn not_a_label(name: &str) -> InvalidInput {
    InvalidInput::new(format!(
        "Documents are not found by the member {name:?} with this value. Use a string of at most {} characters, a number or \
         a boolean.",
        MetadataLabel::MAX_LENGTH
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_at_the_top_are_labels() {
        let value = json!({
            "status": "draft", "pages": 3, "half": 0.5, "whole": 3.0, "done": false, "nothing": null, "tags": ["a"],
            "more": { "status": "x" }, "long": "x".repeat(MetadataLabel::MAX_LENGTH + 1)
        });
        let metadata = Metadata::new(&value).unwrap();
        let mut labels: Vec<_> =
            metadata.labels().into_iter().map(|label| (label.name, label.value)).collect();
        labels.sort();
        let expected = [
            ("done", "false"),
            ("half", "0.5"),
            ("pages", "3"),
            ("status", "\"draft\""),
            ("whole", "3"),
        ];
        let expected: Vec<_> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(labels, expected);
        let filter = MetadataLabel::filter(&json!({ "pages": 3.0 })).unwrap();
        assert_eq!(filter, [MetadataLabel { name: "pages".to_owned(), value: "3".to_owned() }]);
    }

    #[test]
    fn metadata_has_bounds() {
        let mut deep = json!(1);
        for _ in 1..Metadata::MAX_DEPTH {
            deep = json!([deep]);
        }
        assert!(Metadata::new(&json!({ "a": deep })).is_ok());
        let deeper = json!({ "a": [deep] });
        let members: serde_json::Map<_, _> =
            (0..=Metadata::MAX_MEMBERS).map(|number| (number.to_string(), json!(1))).collect();
        for refused in [
            json!([]),
            json!("text"),
            json!(null),
            deeper,
            Value::Object(members),
            json!({ "": 1 }),
            json!({ "a\u{0}b": 1 }),
            json!({ ("x".repeat(Metadata::MAX_NAME_LENGTH + 1)): 1 }),
            json!({ "text": "x".repeat(Metadata::MAX_BYTES) }),
            // Six bytes of JSON each.
            json!({ "text": "\u{1}".repeat(Metadata::MAX_BYTES / 6) }),
            json!({ "many": vec![0; Metadata::MAX_BYTES] }),
        ] {
            assert!(Metadata::new(&refused).is_err(), "{refused:.60}");
        }
        assert!(Metadata::new(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn a_filter_names_at_most_eight_labels() {
        let members = |count: usize| {
            let members = (0..count).map(|number| (number.to_string(), json!(true)));
            Value::Object(members.collect())
        };
        assert!(MetadataLabel::filter(&members(Metadata::MAX_FILTER)).is_ok());
        assert!(MetadataLabel::filter(&members(Metadata::MAX_FILTER + 1)).is_err());
        for refused in [
            json!(1),
            json!({ "a": null }),
            json!({ "a": [] }),
            json!({ "a": "x".repeat(201) }),
            json!({ "a\u{0}": 1 }),
        ] {
            assert!(MetadataLabel::filter(&refused).is_err(), "{refused:.60}");
        }
    }
}
