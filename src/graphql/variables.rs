//! The variables of an operation: decoded when they are needed, and bounded together with the number of their uses.
//!
//! Validation and the resolvers read a variable again for each use, and each value takes a hundred times the memory of its
//! JSON. Large variables are therefore decoded on another thread, and count once for each use.

use std::collections::HashMap;

use async_graphql::{ServerError, Value, Variables};

use super::{OperationVariables, validation::refusal::refusal};
use crate::{editing::loader::MAX_INLINE_BYTES, wire::graphql_ws::RawObject};

/// More values than this are large, whatever their bytes.
const MAX_SMALL_VALUES: usize = 1_000;

/// The number of values, and the bytes of their strings and keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct VariableSize {
    pub(super) values: usize,
    pub(super) bytes: usize,
}

impl OperationVariables {
    /// Returns the number of bytes that have to be decoded.
    pub(super) fn raw_bytes(&self) -> usize {
        match self {
            Self::Raw(object) => object.bytes(),
            Self::Decoded(_) => 0,
        }
    }

    /// Decodes the values where they are. Returns none if that fails; [`decode`](Self::decode) says why.
    pub(super) fn decode_in_place(&mut self) -> Option<&Variables> {
        if let Self::Raw(object) = self {
            *self = Self::Decoded(decode(object).ok()?);
        }
        match self {
            Self::Decoded(variables) => Some(variables),
            Self::Raw(_) => None,
        }
    }

    /// Decodes the values.
    ///
    /// # Errors
    /// There are too many, or they are not JSON.
    pub(super) fn decode(self) -> Result<Variables, ServerError> {
        match self {
            Self::Raw(object) => decode(&object),
            Self::Decoded(variables) => Ok(variables),
        }
    }
}

fn decode(object: &RawObject) -> Result<Variables, ServerError> {
    if object.values() > RawObject::MAX_VALUES {
        let message = format!(
            "The variables have more than {} values. Send fewer, in several operations.",
            RawObject::MAX_VALUES
        );
        return Err(refusal(message, None));
    }
    let Some(json) = object.json() else { return Ok(Variables::default()) };
    serde_json::from_str(json)
        .map_err(|error| refusal(format!("The variables are not valid: {error}."), None))
}

/// The sizes of variables.
pub(super) struct VariableSizes<'a> {
    sizes: HashMap<&'a str, VariableSize>,
    all: VariableSize,
}

impl<'a> VariableSizes<'a> {
    /// Measures variables.
    pub(super) fn of(variables: &'a Variables) -> Self {
        let mut all = VariableSize::default();
        let sizes = variables.iter().map(|(name, value)| {
            let mut size = VariableSize::default();
            measure(value, &mut size);
            all.values += size.values;
            all.bytes += size.bytes;
            (name.as_str(), size)
        });
        let sizes = sizes.collect();
        Self { sizes, all }
    }

    /// Whether their uses have to be counted.
    pub(super) fn are_large(&self) -> bool {
        self.all.bytes > MAX_INLINE_BYTES || self.all.values > MAX_SMALL_VALUES
    }

    /// Returns the size of a variable. One without a value has none.
    pub(super) fn find(&self, name: &str) -> VariableSize {
        self.sizes.get(name).copied().unwrap_or_default()
    }
}

/// Adds the size of a value. The nesting of values is limited where they are decoded.
fn measure(value: &Value, size: &mut VariableSize) {
    size.values += 1;
    match value {
        Value::String(text) => size.bytes += text.len(),
        Value::List(entries) => entries.iter().for_each(|entry| measure(entry, size)),
        Value::Object(fields) => {
            for (key, field) in fields {
                size.bytes += key.len();
                measure(field, size);
            }
        }
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) | Value::Enum(_) => {}
    }
}
