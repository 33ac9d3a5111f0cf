//! The shape that all messages share: an object with `type`, and by type `id` and `payload`.

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{BadMessage, OperationId};
use crate::wire::utf8::shortened;

/// A message, opened so far that its type can be told. Null and missing are the same; other keys are ignored.
///
/// Payloads are only scanned here, without recursion, and read once the type is known.
#[derive(Debug, Deserialize)]
pub(super) struct RawMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct RawText<'a>(#[serde(borrow)] Cow<'a, str>);

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<RawText<'_>>(raw.get()).ok().map(|text| text.0)
}

impl<'a> RawMessage<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, BadMessage> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_position| BadMessage::new("The message is not UTF-8; expected JSON"))?;
        // serde would take an array for an object, field by field.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(BadMessage::new("The message is not a JSON object; expected {\"type\":…}"));
        }
        serde_json::from_str(text)
            .map_err(|error| BadMessage::unreadable("The message is not valid JSON", &error))
    }

    pub(super) fn kind(&self) -> Result<Cow<'a, str>, BadMessage> {
        self.kind
            .and_then(string)
            .ok_or_else(|| BadMessage::new("\"type\" is missing or no string; expected a string"))
    }

    pub(super) fn id(&self) -> Result<OperationId, BadMessage> {
        let id = self.id.and_then(string).ok_or_else(|| {
            BadMessage::new(
                "\"id\" is missing or no string; expected a string that names the operation",
            )
        })?;
        OperationId::new(&id)
    }

    /// A payload that must be there.
    pub(super) fn payload(&self) -> Option<&'a RawValue> {
        self.payload
    }

    /// The payload of a message in which it is optional, and an object if there is one.
    pub(super) fn object(&self, kind: &str) -> Result<Option<&'a RawValue>, BadMessage> {
        match self.payload {
            Some(payload) if !is_object(payload) => Err(BadMessage::new(format!(
                "\"payload\" of \"{kind}\" is no object; expected an object, null, or none"
            ))),
            payload => Ok(payload),
        }
    }
}

/// Whether it is an object: a raw value has no space around it.
pub(super) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Reads a payload, whose nesting serde_json limits to 128 levels.
pub(super) fn read<T: DeserializeOwned>(raw: &RawValue, what: &str) -> Result<T, BadMessage> {
    serde_json::from_str(raw.get()).map_err(|error| BadMessage::unreadable(what, &error))
}

/// A message of a type that the receiver does not expect.
pub(super) fn unknown_type(kind: &str, expected: &str) -> BadMessage {
    let kind = shortened(kind, 24);
    BadMessage::new(format!("Unknown type \"{kind}\"; expected {expected}"))
}
