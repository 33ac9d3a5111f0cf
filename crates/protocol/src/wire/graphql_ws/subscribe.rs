//! What a client asks for: the payload of `subscribe`.

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

/// One GraphQL request. Its `Debug` shows sizes only: the rest is the user's.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribePayload {
    /// The document, not parsed yet.
    #[serde(deserialize_with = "query")]
    pub query: String,
    /// Which of the document's operations to run, where it has several.
    #[serde(default, deserialize_with = "operation_name")]
    pub operation_name: Option<String>,
    /// Values of the variables; empty where none were sent. Of a key that comes twice, the last one counts.
    #[serde(default, deserialize_with = "variables")]
    pub variables: Map<String, Value>,
    /// What else the client sent along; empty where nothing was.
    #[serde(default, deserialize_with = "extensions")]
    pub extensions: Map<String, Value>,
}

impl SubscribePayload {
    pub(super) fn read(payload: Option<&RawValue>) -> Result<Self, BadMessage> {
        match payload {
            Some(payload) if is_object(payload) => read(payload, "\"payload\" of \"subscribe\""),
            _ => Err(BadMessage::new(
                "\"payload\" of \"subscribe\" is missing or no object; expected {\"query\":…}",
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

/// Reads a string and, where it is none, says which field it should have been in.
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

/// Reads an object and, where it is none, says which field it should have been in.
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

/// Takes null as well.
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
