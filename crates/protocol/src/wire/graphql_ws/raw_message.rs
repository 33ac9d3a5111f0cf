//! The common form of all messages: an object with `type`, and depending on it `id` and `payload`.

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{BadMessage, OperationId};
use crate::wire::utf8::shortened;

/// A message whose keys are not decoded yet. Treats null as missing and ignores other keys.
///
/// Parsing scans payloads without recursion. They are decoded when the type is known.
#[derive(Debug, Deserialize)]
pub(super) struct RawMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// A string that is borrowed if it has no escapes.
#[derive(Deserialize)]
struct RawText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Decodes a string. `None` if the value is not one.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<RawText<'_>>(raw.get()).ok().map(|text| text.0)
}

impl<'a> RawMessage<'a> {
    /// Parses the object.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, BadMessage> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_position| BadMessage::new("The message is not UTF-8; expected JSON"))?;
        // serde would accept an array of the fields as well.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(BadMessage::new("The message is not a JSON object; expected {\"type\":…}"));
        }
        serde_json::from_str(text)
            .map_err(|error| BadMessage::unreadable("The message is not valid JSON", &error))
    }

    /// Decodes the `type`.
    pub(super) fn kind(&self) -> Result<Cow<'a, str>, BadMessage> {
        self.kind.and_then(string).ok_or_else(|| {
            BadMessage::new("\"type\" is missing or not a string; expected a string")
        })
    }

    /// Decodes the `id`.
    pub(super) fn id(&self) -> Result<OperationId, BadMessage> {
        let id = self.id.and_then(string).ok_or_else(|| {
            BadMessage::new(
                "\"id\" is missing or not a string; expected a string that identifies the operation",
            )
        })?;
        OperationId::new(&id)
    }

    /// Returns the payload, which may be any value.
    pub(super) fn payload(&self) -> Option<&'a RawValue> {
        self.payload
    }

    /// Returns the payload of a message whose payload is an object or missing.
    pub(super) fn object(&self, kind: &str) -> Result<Option<&'a RawValue>, BadMessage> {
        match self.payload {
            Some(payload) if !is_object(payload) => Err(BadMessage::new(format!(
                "\"payload\" of \"{kind}\" is not an object; expected an object, null or no payload"
            ))),
            payload => Ok(payload),
        }
    }
}

/// Returns whether it is an object. Raw values have no surrounding white space.
pub(super) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Decodes a payload. serde_json limits its nesting to 128 levels.
pub(super) fn read<T: DeserializeOwned>(raw: &RawValue, context: &str) -> Result<T, BadMessage> {
    serde_json::from_str(raw.get()).map_err(|error| BadMessage::unreadable(context, &error))
}

/// Returns the error for an unknown type of message.
pub(super) fn unknown_type(kind: &str, expected: &str) -> BadMessage {
    let kind = shortened(kind, 24);
    BadMessage::new(format!("Unknown type \"{kind}\"; expected {expected}"))
}
