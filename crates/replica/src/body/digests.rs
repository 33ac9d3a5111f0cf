//! Numbers of values and shared types. What JSON shows as equal has the same number.

use std::hash::{BuildHasher as _, Hash, RandomState};

use protocol::domain::{Budget, Exhausted};
use yrs::{Any, any::Number};

use crate::subdocuments::guid_of;

/// This many bytes of values are read in one step of the budget.
const BYTES_PER_STEP: usize = 64;

/// Computes numbers. Those of two `Digests` differ.
pub(super) struct Digests {
    hashes: RandomState,
    budget: Budget,
}

impl Digests {
    /// Returns `Digests` that spend `budget`.
    pub(super) fn new(budget: &Budget) -> Self {
        Self { hashes: RandomState::new(), budget: budget.clone() }
    }

    /// Returns the number of anything.
    pub(super) fn of(&self, content: impl Hash) -> u64 {
        self.hashes.hash_one(content)
    }

    /// Returns the number of a list, whose elements have these numbers.
    pub(super) fn of_list(&self, elements: &[u64]) -> u64 {
        self.of((JsonType::List, elements))
    }

    /// Returns the number of an object, whose entries have these keys and numbers, in the order of the keys.
    pub(super) fn of_object(&self, entries: &[(&str, u64)]) -> u64 {
        self.of((JsonType::Object, entries))
    }

    /// Returns the number of a string.
    pub(super) fn of_string(&self, text: &str) -> u64 {
        self.of((JsonType::String, text))
    }

    /// Returns the number of a value of the document.
    ///
    /// # Errors
    /// The budget ended.
    pub(super) fn of_value(&self, value: &Any) -> Result<u64, Exhausted> {
        self.budget.spend(steps_for(value))?;
        Ok(self.of_given(value))
    }

    /// Returns the number of a value that a client has sent, which spends no budget.
    pub(super) fn of_given(&self, value: &Any) -> u64 {
        match value {
            Any::Null | Any::Undefined => self.of(JsonType::Null),
            Any::Bool(value) => self.of((JsonType::Bool, value)),
            Any::Number(number) => self.of_number(*number),
            Any::String(text) => self.of_string(text),
            Any::Buffer(bytes) => match guid_of(value) {
                Some(guid) => self.of_object(&[("guid", self.of_string(guid))]),
                None => {
                    let number = |byte: &u8| self.of_number(Number::Int(i64::from(*byte)));
                    self.of_list(&bytes.iter().map(number).collect::<Vec<_>>())
                }
            },
            Any::Array(values) => {
                let values = values.iter().map(|value| self.of_given(value));
                self.of_list(&values.collect::<Vec<_>>())
            }
            Any::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (&**key, self.of_given(value)));
                let mut entries: Vec<_> = entries.collect();
                entries.sort_unstable();
                self.of_object(&entries)
            }
        }
    }

    /// JSON has no infinite numbers, and its integers are those that JavaScript represents exactly.
    fn of_number(&self, number: Number) -> u64 {
        match as_json(number) {
            Number::Int(value) => self.of((JsonType::Integer, value)),
            Number::Float(value) if value.is_finite() => {
                self.of((JsonType::Float, value.to_bits()))
            }
            Number::Float(_) => self.of(JsonType::Null),
        }
    }
}

/// Separates what would have the same number otherwise.
#[derive(Hash)]
enum JsonType {
    Null,
    Bool,
    Integer,
    Float,
    String,
    List,
    Object,
}

/// Returns the steps of the budget that reading a value takes. Each byte of binary data is one, because it is a number in JSON.
fn steps_for(value: &Any) -> usize {
    match value {
        Any::Null | Any::Undefined | Any::Bool(_) | Any::Number(_) => 1,
        Any::String(text) => 1 + text.len() / BYTES_PER_STEP,
        Any::Buffer(bytes) => 1 + bytes.len(),
        Any::Array(values) => 1 + values.iter().map(steps_for).sum::<usize>(),
        Any::Map(entries) => {
            let entry =
                |(key, value): (&String, &Any)| key.len() / BYTES_PER_STEP + steps_for(value);
            1 + entries.iter().map(entry).sum::<usize>()
        }
    }
}

/// Returns a number as it is after it was written as JSON and read again.
#[allow(clippy::cast_possible_truncation, reason = "the number is whole and in the range")]
#[allow(clippy::cast_precision_loss, reason = "JSON is read with the precision of JavaScript")]
fn as_json(number: Number) -> Number {
    match number {
        Number::Int(value) if is_safe(value) => Number::Int(value),
        Number::Int(value) => Number::Float(value as f64),
        Number::Float(value)
            if value.fract() == 0.0 && value.abs() <= Number::F64_MAX_SAFE_INTEGER =>
        {
            Number::Int(value as i64)
        }
        Number::Float(value) => Number::Float(value),
    }
}

/// Whether JavaScript represents an integer exactly.
pub(super) fn is_safe(value: i64) -> bool {
    value.unsigned_abs() <= Number::I64_MAX_SAFE_INTEGER.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{body::any_of, content_json::value};

    #[test]
    fn a_value_has_the_number_of_its_json() {
        let digests = Digests::new(&Budget::unlimited());
        let number = |value: &Any| digests.of_value(value).unwrap();
        let values = [
            Any::Undefined,
            Any::from(2.0),
            Any::from(-0.0),
            Any::from(f64::NAN),
            Any::from(1.5e300),
            Any::Number(Number::Int(i64::MAX)),
            Any::Number(Number::Int(9_007_199_254_740_993)),
            Any::Buffer([1, 2, 255].into()),
            Any::Array([Any::Undefined, Any::Buffer([].into())].into()),
            Any::from_json(r#"{ "b": [true, "x"], "a": { "c": 3.0 } }"#).unwrap(),
        ];
        for original in values {
            let read = any_of(&value(&original));
            assert_eq!(number(&original), number(&read), "{original:?}");
        }
        let others =
            [json!(null), json!(0), json!("0"), json!([]), json!([0]), json!({}), json!(false)];
        for (index, one) in others.iter().enumerate() {
            for other in &others[..index] {
                assert_ne!(number(&any_of(one)), number(&any_of(other)), "{one} {other}");
            }
        }
    }

    #[test]
    fn long_values_are_spent() {
        let digests = Digests::new(&Budget::new(100));
        let long = Any::from("x".repeat(64 * 60).as_str());
        assert!(digests.of_value(&long).is_ok());
        assert_eq!(digests.of_value(&long), Err(Exhausted::Steps));
    }
}
