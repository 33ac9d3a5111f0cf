//! Counts the values of JSON before they are decoded, since a byte of JSON may become a hundred bytes of memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Counts the values of JSON: scalars, arrays and objects, on all levels. Stops at the first value after `max` and returns
/// `max + 1`; what follows is not checked then.
///
/// # Errors
/// The text is not JSON, or is nested deeper than 128 levels.
pub fn count_values(json: &[u8], max: usize) -> Result<usize, serde_json::Error> {
    let mut values = 0;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let counted = ValueCounter { values: &mut values, max }.deserialize(&mut reader);
    match counted.and_then(|()| reader.end()) {
        Err(_stopped) if values > max => Ok(values),
        counted => counted.map(|()| values),
    }
}

/// Counts the next value and those inside it.
struct ValueCounter<'a> {
    values: &'a mut usize,
    max: usize,
}

impl ValueCounter<'_> {
    fn inner(&mut self) -> ValueCounter<'_> {
        ValueCounter { values: self.values, max: self.max }
    }
}

impl<'de> DeserializeSeed<'de> for ValueCounter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.values += 1;
        if *self.values > self.max {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueCounter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key::<IgnoredAny>()?.is_some() {
            entries.next_value_seed(self.inner())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(json: &str, max: usize) -> Option<usize> {
        count_values(json.as_bytes(), max).ok()
    }

    #[test]
    fn values_of_all_levels_are_counted() {
        assert_eq!(counted("null", 9), Some(1));
        assert_eq!(
            counted(r#" {"a": [1, -2, 0.5, "x\n"], "b": {"c": true, "d": null}} "#, 99),
            Some(9)
        );
        assert_eq!(counted("[[],[],{}]", 4), Some(4));
    }

    #[test]
    fn counting_stops_after_the_bound() {
        assert_eq!(counted("[[],[],{}]", 3), Some(4));
        assert_eq!(counted("[1,2,3,this is never read", 2), Some(3));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for json in ["", "{", "[1,]", "[1] 2", "{\"a\"}", "nul", "\"\u{1}\""] {
            assert_eq!(counted(json, 9), None, "{json}");
        }
        let deep = "[".repeat(129) + &"]".repeat(129);
        assert_eq!(counted(&deep, 999), None);
    }
}
