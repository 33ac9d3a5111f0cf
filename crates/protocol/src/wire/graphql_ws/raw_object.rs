//! The variables and extensions of an operation, before they are decoded.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use super::{BadMessage, raw_message::is_object};
use crate::wire::count_values;

/// A JSON object, counted but not decoded, or nothing if the client sent none. `Debug` shows sizes only, to keep user data
/// out of logs.
#[derive(Clone, Default)]
pub struct RawObject {
    json: Option<Box<RawValue>>,
    values: usize,
}

impl RawObject {
    /// The most values of an object, on all levels of arrays and objects together.
    pub const MAX_VALUES: usize = 100_000;

    /// Reads variables that stand alone: an object or null.
    ///
    /// # Errors
    /// They are not JSON, or JSON of another type.
    pub fn parse_variables(json: &str) -> Result<Self, BadMessage> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let object = read_object(&mut reader, "variables");
        let object = object.and_then(|object| reader.end().map(|()| object));
        object.map_err(|error| BadMessage::unreadable("\"variables\"", &error))
    }

    /// Returns the object, if the client sent one.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        self.json.as_deref().map(RawValue::get)
    }

    /// Returns the number of bytes of JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.json().map_or(0, str::len)
    }

    /// Returns the number of values. One more than [`RawObject::MAX_VALUES`] means that there are more.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }
}

impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawObject")
            .field("bytes", &self.bytes())
            .field("values", &self.values)
            .finish()
    }
}

/// Reads an object, null or nothing. The error for another type names the field.
pub(super) fn read_object<'de, D: Deserializer<'de>>(
    deserializer: D,
    field: &str,
) -> Result<RawObject, D::Error> {
    let Some(json) = Option::<Box<RawValue>>::deserialize(deserializer)? else {
        return Ok(RawObject::default());
    };
    if !is_object(&json) {
        let kind = kind_of(json.get());
        let message = format!("invalid type: {kind}, expected \"{field}\" to be an object or null");
        return Err(D::Error::custom(message));
    }
    let values = count_values(json.get().as_bytes(), RawObject::MAX_VALUES);
    Ok(RawObject { json: Some(json), values: values.map_err(D::Error::custom)? })
}

/// Returns the kind of a JSON value that is not an object.
fn kind_of(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        _ => "number",
    }
}
