//! Deltas and Yjs updates, as input and in events.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use crate::domain::DeltaStep;

/// A step of a delta in the Quill Delta format. Exactly one field is not null. Lengths count UTF-16 code units.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DeltaOp {
    /// Keep this many code units.
    retain: Option<i64>,
    /// Insert this text.
    insert: Option<String>,
    /// Delete this many code units.
    delete: Option<i64>,
}

/// A step of a delta in the Quill Delta format. Set exactly one field. Lengths count UTF-16 code units and are at least
/// 1. A step must not begin or end inside a surrogate pair.
#[derive(InputObject)]
pub(in crate::graphql) struct DeltaOpInput {
    /// Keep this many code units.
    retain: Option<i64>,
    /// Insert this text.
    insert: Option<String>,
    /// Delete this many code units.
    delete: Option<i64>,
}

impl From<DeltaStep> for DeltaOp {
    fn from(DeltaStep { retain, insert, delete }: DeltaStep) -> Self {
        Self { retain, insert, delete }
    }
}

impl From<DeltaOpInput> for DeltaStep {
    fn from(DeltaOpInput { retain, insert, delete }: DeltaOpInput) -> Self {
        Self { retain, insert, delete }
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
