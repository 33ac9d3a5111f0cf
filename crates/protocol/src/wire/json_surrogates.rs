//! Halves of surrogate pairs in JSON.
//!
//! JavaScript cuts strings anywhere, also inside a character of two code units, and `JSON.stringify` writes the half as an
//! escape. No UTF-8 string can hold it, so parsers refuse the JSON. [`replaced`] writes U+FFFD instead, as every encoder of
//! UTF-8 does. The escape has the same length, so nothing else moves.

use std::borrow::Cow;

use bytes::Bytes;

/// The length of an escape: `\uXXXX`.
const ESCAPE: usize = 6;

/// Replaces each half of a surrogate pair in JSON by U+FFFD. Borrows the JSON if it has none. What is not JSON stays as it
/// is, apart from such escapes.
#[must_use]
pub fn replaced(json: &str) -> Cow<'_, str> {
    let halves = positions(json);
    if halves.is_empty() {
        return Cow::Borrowed(json);
    }
    let (mut text, mut end) = (String::with_capacity(json.len()), 0);
    for at in halves {
        text.push_str(json.get(end..at).unwrap_or_default());
        text.push_str(REPLACEMENT);
        end = at + ESCAPE;
    }
    text.push_str(json.get(end..).unwrap_or_default());
    Cow::Owned(text)
}

/// Replaces each half of a surrogate pair in JSON by U+FFFD, as [`replaced`] does. Returns bytes that are not UTF-8 as they are.
#[must_use]
pub fn replaced_in(json: Bytes) -> Bytes {
    match std::str::from_utf8(&json).map(replaced) {
        Ok(Cow::Owned(replaced)) => replaced.into(),
        _ => json,
    }
}

/// The escape of U+FFFD.
const REPLACEMENT: &str = "\\ufffd";

/// Returns where the escapes of halves begin.
fn positions(json: &str) -> Vec<usize> {
    let (mut positions, mut at) = (Vec::new(), 0);
    // A backslash is part of an escape wherever it occurs in JSON.
    while let Some(next) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        at += match (escaped_unit(json, at), escaped_unit(json, at + ESCAPE)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE,
            (Some(0xD800..=0xDFFF), _) => {
                positions.push(at);
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            // The escaped character may have several bytes in what is not JSON.
            (None, _) => {
                1 + json.get(at + 1..).and_then(|s| s.chars().next()).map_or(0, char::len_utf8)
            }
        };
    }
    positions
}

/// Returns the code unit of the escape `\uXXXX` at this position.
fn escaped_unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    // `from_str_radix` accepts a sign.
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Returns the JSON that `JSON.stringify` writes for a string of these code units.
    fn stringified(units: &[u16]) -> String {
        let mut json = String::from('"');
        for unit in char::decode_utf16(units.iter().copied()) {
            match unit {
                Ok(char) => json.push_str(serde_json::to_string(&char).unwrap().trim_matches('"')),
                Err(half) => json.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
            }
        }
        // A quotation mark at an end was trimmed with the quotes.
        json.push('"');
        json
    }

    fn unit() -> impl Strategy<Value = u16> {
        let any_unit =
            any::<u16>().prop_filter("quotes are trimmed", |unit| *unit != u16::from(b'"'));
        prop_oneof![0xD800..=0xDFFF_u16, Just(u16::from(b'\\')), Just(u16::from(b'u')), any_unit]
    }

    proptest! {
        #[test]
        fn every_string_of_javascript_becomes_the_string_with_replacement_characters(
            units in prop::collection::vec(unit(), 0..20),
        ) {
            let json = stringified(&units);
            let value: Value = serde_json::from_str(&replaced(&json)).unwrap();
            prop_assert_eq!(value, Value::String(String::from_utf16_lossy(&units)));
        }

        #[test]
        fn other_text_keeps_its_length_and_its_characters(text in r#"([\\u"dD8{}é🎈]|\\u[dD][89c][0-9]{2}){0,12}"#) {
            let replaced = replaced(&text);
            prop_assert_eq!(replaced.len(), text.len());
            let changed = text.char_indices().zip(replaced.char_indices()).filter(|(a, b)| a != b);
            prop_assert!(changed.count() <= 4 * positions(&text).len());
        }
    }

    #[test]
    fn whole_pairs_and_escaped_backslashes_stay() {
        for json in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\\\\ud83d""#, r#""\u00e9\n""#] {
            assert_eq!(replaced(json), json);
        }
        assert_eq!(replaced(r#"{"\ud83d":"a\\\uDE00"}"#), r#"{"\ufffd":"a\\\ufffd"}"#);
        assert_eq!(replaced(r#""\ud83d\ud83d\ude00\ude00""#), r#""\ufffd\ud83d\ude00\ufffd""#);
    }
}
