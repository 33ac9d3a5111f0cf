//! The payload of `subscribe`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, Visitor},
};
use serde_json::value::RawValue;

use super::{
    BadMessage, RawObject,
    raw_message::{is_object, read},
    raw_object::read_object,
};

/// A GraphQL request. `Debug` shows sizes only, to keep user data out of logs.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribePayload {
    /// The GraphQL document, not parsed.
    #[serde(deserialize_with = "query")]
    pub query: String,
    /// The name of the operation to execute, if the document has several.
    #[serde(default, deserialize_with = "operation_name")]
    pub operation_name: Option<String>,
    /// The values of the variables, not decoded.
    #[serde(default, deserialize_with = "variables")]
    pub variables: RawObject,
    /// Extensions of the client, not decoded.
    #[serde(default, deserialize_with = "extensions")]
    pub extensions: RawObject,
    /// Whether it names a persisted query instead of sending one. Then `query` is empty.
    #[serde(skip)]
    pub is_persisted: bool,
}

impl SubscribePayload {
    /// Parses a GraphQL request that stands alone, as the body of an HTTP request.
    ///
    /// # Errors
    /// It is not JSON, or not an object with the fields of a request.
    pub fn parse(json: &[u8]) -> Result<Self, BadMessage> {
        Self::expect_object(json)?;
        serde_json::from_slice(json)
            .map_err(|error| BadMessage::unreadable("it is not a GraphQL request", &error))
    }

    /// Checks that a request is an object. serde would accept an array of its fields as well.
    ///
    /// # Errors
    /// It is something else.
    pub fn expect_object(json: &[u8]) -> Result<(), BadMessage> {
        match json.trim_ascii_start().first() {
            Some(b'{') => Ok(()),
            _ => Err(BadMessage::new("it is not a JSON object; expected {\"query\":…}")),
        }
    }

    /// Returns a payload that names a persisted query and has no `query`, if this is one.
    fn persisted(payload: &RawValue) -> Option<Self> {
        let named: WithoutQuery = serde_json::from_str(payload.get()).ok()?;
        let extensions = named.extensions.filter(|json| names_persisted_query(json.get()))?;
        let extensions = RawObject::parse_variables(extensions.get()).ok()?;
        let (query, operation_name, variables) = (String::new(), None, RawObject::default());
        named.query.is_none().then_some(Self {
            query,
            operation_name,
            variables,
            extensions,
            is_persisted: true,
        })
    }

    /// Decodes the payload.
    pub(super) fn read(payload: Option<&RawValue>) -> Result<Self, BadMessage> {
        match payload {
            Some(payload) if is_object(payload) => read(payload, "\"payload\" of \"subscribe\"")
                .or_else(|error| Self::persisted(payload).ok_or(error)),
            _ => Err(BadMessage::new(
                "\"payload\" of \"subscribe\" is missing or not an object; expected {\"query\":…}",
            )),
        }
    }
}

/// A payload in which `query` may be missing.
#[derive(Deserialize)]
struct WithoutQuery<'a> {
    query: Option<IgnoredAny>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

/// Returns whether these extensions, as JSON, name a query that the server is supposed to have stored.
#[must_use]
pub fn names_persisted_query(extensions: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Extensions {
        persisted_query: Option<IgnoredAny>,
    }
    let extensions = serde_json::from_str::<Extensions>(extensions);
    extensions.is_ok_and(|extensions| extensions.persisted_query.is_some())
}

impl fmt::Debug for SubscribePayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribePayload")
            .field("query_bytes", &self.query.len())
            .field("variables", &self.variables)
            .finish_non_exhaustive()
    }
}

fn query<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_string(StringNamed("query"))
}

fn operation_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_option(OrNull(StringNamed("operationName")))
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RawObject, D::Error> {
    read_object(deserializer, "variables")
}

fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RawObject, D::Error> {
    read_object(deserializer, "extensions")
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
