//! The bytes that content written as JSON may have.
//!
//! Yjs shares a format between the pieces of text that have it, but JSON repeats it for each piece. So a small document may have
//! very large JSON. A [`JsonAllowance`] is spent before each value is copied.

use serde_json::Value;
use thiserror::Error;
use yrs::Any;

use crate::content_json::value;

/// What a value counts at least, and what an object counts besides its entries. In memory they take several times as much.
const VALUE_BYTES: usize = 8;
const OBJECT_BYTES: usize = 64;

/// The JSON of some content would have more bytes than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the content is too large as JSON")]
pub struct JsonTooLarge;

/// The bytes that some JSON may still have.
#[derive(Debug)]
pub(crate) struct JsonAllowance {
    bytes: usize,
}

impl JsonAllowance {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    /// Spends bytes. Call it before they are copied.
    ///
    /// # Errors
    /// [`JsonTooLarge`].
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), JsonTooLarge> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(JsonTooLarge)?;
        Ok(())
    }

    /// Checks that this many values may still be read, before they are collected.
    ///
    /// # Errors
    /// [`JsonTooLarge`].
    pub(crate) fn check_values(&self, count: u32) -> Result<(), JsonTooLarge> {
        match (count as usize).saturating_mul(VALUE_BYTES) <= self.bytes {
            true => Ok(()),
            false => Err(JsonTooLarge),
        }
    }

    /// Returns a value of Yjs as JSON.
    ///
    /// # Errors
    /// [`JsonTooLarge`].
    pub(crate) fn value(&mut self, any: &Any) -> Result<Value, JsonTooLarge> {
        self.spend_value(any)?;
        Ok(value(any))
    }

    /// Spends about the bytes of a value, and more for small ones. Values are not nested deeply.
    fn spend_value(&mut self, any: &Any) -> Result<(), JsonTooLarge> {
        match any {
            Any::Null | Any::Undefined | Any::Bool(_) | Any::Number(_) => self.spend(VALUE_BYTES),
            Any::String(text) => self.spend(text.len() + VALUE_BYTES),
            // A list of numbers.
            Any::Buffer(bytes) => self.spend(bytes.len().saturating_mul(4)),
            Any::Array(values) => {
                self.spend(VALUE_BYTES)?;
                values.iter().try_for_each(|value| self.spend_value(value))
            }
            Any::Map(entries) => {
                self.spend(OBJECT_BYTES)?;
                entries.iter().try_for_each(|(name, value)| {
                    self.spend(name.len() + 4)?;
                    self.spend_value(value)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_copy_of_a_value_is_spent() {
        let format = Any::from_json(r#"{ "note": ["long", true, null] }"#).unwrap();
        let mut allowance = JsonAllowance::new(250);
        let shown = json!({ "note": ["long", true, null] });
        assert_eq!(allowance.value(&format), Ok(shown.clone()));
        assert_eq!(allowance.value(&format), Ok(shown));
        assert_eq!(allowance.value(&format), Err(JsonTooLarge));
        assert_eq!(JsonAllowance::new(0).value(&Any::Null), Err(JsonTooLarge));
    }
}
