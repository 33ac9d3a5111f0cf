//! Deltas and Yjs updates, as input and in events.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{JsonObject, JsonValue};
use crate::domain::{DeltaStep, EmbeddedObject, InvalidInput, TextFormats};

/// A step of a delta in the Quill Delta format. Of `retain`, `insert` and `delete` exactly one is not null. Lengths count UTF-16
/// code units.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeltaOp {
    /// Keep this many code units.
    retain: Option<i64>,
    /// Insert this text. U+FFFC if `embed` is not null.
    insert: Option<String>,
    /// Delete this many code units.
    delete: Option<i64>,
    /// Insert this object, such as `{"image": "https://…"}`. It has the length 1, and in the plain text it is U+FFFC.
    embed: Option<JsonValue>,
    /// The formats of what is inserted, such as `{"bold": true}`, or that what is kept receives. Null removes a format.
    attributes: Option<JsonObject>,
}

impl From<DeltaStep> for DeltaOp {
    fn from(DeltaStep { retain, insert, delete, embed, attributes }: DeltaStep) -> Self {
        let embed = embed.map(|object| JsonValue(object.as_json().clone()));
        let attributes = (!attributes.is_empty()).then(|| attributes.into());
        Self { retain, insert, delete, embed, attributes }
    }
}

/// A step of a delta in the Quill Delta format. Set exactly one of `retain`, `insert`, `delete` and `embed`. Lengths count UTF-16
/// code units and are at least 1. A step must not begin or end inside a surrogate pair.
#[derive(InputObject)]
pub(in crate::graphql) struct DeltaOpInput {
    /// Keep this many code units.
    retain: Option<i64>,
    /// Insert this text.
    insert: Option<String>,
    /// Delete this many code units.
    delete: Option<i64>,
    /// Insert this object, such as `{"image": "https://…"}`. It has the length 1. `insert` may be U+FFFC beside it, as in the deltas
    /// of events.
    embed: Option<JsonObject>,
    /// The formats of what is inserted, such as `{"bold": true}`, or that what is kept receives. Null removes a format. At most
    /// 64 formats with 16 KiB of JSON and 8 levels.
    attributes: Option<JsonObject>,
}

impl DeltaOpInput {
    /// Returns the step, which is the one with this index in its delta.
    ///
    /// # Errors
    /// The formats or the object are not valid.
    pub(in crate::graphql) fn step(self, index: usize) -> Result<DeltaStep, InvalidInput> {
        let Self { retain, insert, delete, embed, attributes } = self;
        let within = |fault: InvalidInput| {
            InvalidInput::new(format!("Step {index} of the delta is not valid: {fault}"))
        };
        let embed = embed.map(|object| EmbeddedObject::new(object.into_json()));
        let embed = embed.transpose().map_err(within)?;
        let attributes = attributes.map(|formats| TextFormats::new(formats.into_json()));
        let attributes = attributes.transpose().map_err(within)?.unwrap_or_default();
        Ok(DeltaStep { retain, insert, delete, embed, attributes })
    }
}

/// Bytes in standard base64 (RFC 4648, section 4).
#[derive(Clone)]
pub(in crate::graphql) struct Base64(pub(in crate::graphql) Bytes);

/// Bytes in standard base64 with padding (RFC 4648, section 4).
#[Scalar(name = "Bytes", specified_by_url = "https://www.rfc-editor.org/rfc/rfc4648#section-4")]
impl ScalarType for Base64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(STANDARD.decode(text)?.into())),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(STANDARD.encode(&self.0))
    }
}
