//! The payload of `subscribe`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value, value::RawValue};

use super::{
    BadMessage,
    raw_message::{is_object, read},
};

/// A GraphQL request. `Debug` shows sizes only, to keep user data out of logs.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribePayload {
    /// The GraphQL document, not parsed.
    #[serde(deserialize_with = "query")]
    pub query: String,
    /// The name of the operation to execute, if the document has several.
    #[serde(default, deserialize_with = "operation_name")]
    pub operation_name: Option<String>,
    /// The values of the variables. Empty if the client sent none. The last one of a repeated key counts.
    #[serde(default, deserialize_with = "variables")]
    pub variables: Map<String, Value>,
    /// Extensions of the client. Empty if the client sent none.
    #[serde(default, deserialize_with = "extensions")]
    pub extensions: Map<String, Value>,
}

impl SubscribePayload {
    /// Decodes the payload.
    pub(super) fn read(payload: Option<&RawValue>) -> Result<Self, BadMessage> {
        match payload {
            Some(payload) if is_object(payload) => read(payload, "\"payload\" of \"subscribe\""),
            _ => Err(BadMessage::new(
                "\"payload\" of \"subscribe\" is missing or not an object; expected {\"query\":…}",
            )),
        }
    }
}

impl fmt::Debug for SubscribePayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribePayload")
            .field("query_bytes", &self.query.len())
            .field("variables", &self.variables.len())
            .finish_non_exhaustive()
    }
}

fn query<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_string(StringNamed("query"))
}

fn operation_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_option(OrNull(StringNamed("operationName")))
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let variables = deserializer.deserialize_option(OrNull(ObjectNamed("variables")))?;
    Ok(variables.unwrap_or_default())
}

fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let extensions = deserializer.deserialize_option(OrNull(ObjectNamed("extensions")))?;
    Ok(extensions.unwrap_or_default())
}

/// Reads a string. The error for another type names the field.
struct StringNamed(&'static str);

impl Visitor<'_> for StringNamed {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" to be a string", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// Reads an object. The error for another type names the field.
struct ObjectNamed(&'static str);

impl<'de> Visitor<'de> for ObjectNamed {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" to be an object", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        Map::deserialize(MapAccessDeserializer::new(entries))
    }
}

/// Also accepts null.
struct OrNull<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for OrNull<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)?;
        f.write_str(" or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self.0).map(Some)
    }
}
