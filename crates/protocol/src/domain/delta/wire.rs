//! Deltas as clients send them and the change log stores them.
//!
//! The change log stores JSON in the Quill Delta format: `[{"retain":3},{"insert":"x"},{"delete":1}]`. The step of an
//! embedded object has U+FFFC in `insert` and the object in `embed`: `{"insert":"\u{FFFC}","embed":{"image":"x.png"}}`. A client that
//! reads only `insert` computes the right lengths.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Delta, EmbeddedObject, Op, TextFormats};
use crate::domain::InvalidInput;

/// An encoded step, in which exactly one of `retain`, `insert` or `embed`, and `delete` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaStep {
    /// The number of UTF-16 code units to skip, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<i64>,
    /// The text to insert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert: Option<String>,
    /// The number of UTF-16 code units to delete, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<i64>,
    /// The object to embed. `insert` may be U+FFFC then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embed: Option<EmbeddedObject>,
    /// The formats of what is retained or inserted.
    #[serde(default, skip_serializing_if = "TextFormats::is_empty")]
    pub attributes: TextFormats,
}

/// The maximum reach of a delta in UTF-16 code units, more than the length of any document.
const MAX_REACH: i64 = 1 << 31;

impl Delta {
    /// Creates the delta of these steps, in normal form.
    ///
    /// # Errors
    /// If a step has no field or several, a length that is not positive or too large, an empty text, or formats of a deletion.
    pub fn from_steps(steps: impl IntoIterator<Item = DeltaStep>) -> Result<Self, InvalidInput> {
        let mut delta = Self::default();
        let mut reach = 0_i64;
        for (index, step) in steps.into_iter().enumerate() {
            let invalid =
                |fault: &str| InvalidInput::new(format!("Step {index} of the delta {fault}"));
            match step {
                DeltaStep {
                    retain: Some(units),
                    insert: None,
                    delete: None,
                    embed: None,
                    attributes,
                } => {
                    let units = length(units, &mut reach).ok_or_else(|| invalid(BAD_LENGTH))?;
                    delta.retain(units, &attributes);
                }
                DeltaStep {
                    retain: None,
                    insert: None,
                    delete: Some(units),
                    embed: None,
                    attributes,
                } => {
                    if !attributes.is_empty() {
                        return Err(invalid("deletes and has `attributes`. Remove them."));
                    }
                    delta.delete(length(units, &mut reach).ok_or_else(|| invalid(BAD_LENGTH))?);
                }
                DeltaStep {
                    retain: None,
                    insert: Some(text),
                    delete: None,
                    embed: None,
                    attributes,
                } => {
                    if text.is_empty() {
                        return Err(invalid("inserts nothing. Remove it."));
                    }
                    delta.insert(&text, &attributes.of_insertion());
                }
                DeltaStep {
                    retain: None,
                    insert,
                    delete: None,
                    embed: Some(object),
                    attributes,
                } => {
                    if insert.is_some_and(|text| text != EmbeddedObject::CHARACTER) {
                        return Err(invalid(
                            "has both `insert` and `embed`. Use one step for the text and one for the object.",
                        ));
                    }
                    delta.embed(&object, &attributes.of_insertion());
                }
                _ => {
                    return Err(invalid(
                        "must have exactly one of `retain`, `insert`, `embed` and `delete`. Use one step for each.",
                    ));
                }
            }
        }
        Ok(delta.trimmed())
    }

    /// Returns the encoded steps.
    pub fn steps(&self) -> impl Iterator<Item = DeltaStep> {
        let number = |units: usize| i64::try_from(units).ok();
        self.ops().iter().map(move |op| match op {
            Op::Retain(units, formats) => DeltaStep {
                retain: number(*units),
                attributes: formats.clone(),
                ..DeltaStep::default()
            },
            Op::Insert(text, formats) => DeltaStep {
                insert: Some(text.clone()),
                attributes: formats.clone(),
                ..DeltaStep::default()
            },
            Op::Embed(object, formats) => DeltaStep {
                insert: Some(EmbeddedObject::CHARACTER.to_owned()),
                embed: Some(object.clone()),
                attributes: formats.clone(),
                ..DeltaStep::default()
            },
            Op::Delete(units) => DeltaStep { delete: number(*units), ..DeltaStep::default() },
        })
    }
}

const BAD_LENGTH: &str =
    "has a length that is negative, zero or larger than any text. Use a positive length.";

/// Returns the length of a step and adds it to `reach`. `None` if the length is not valid or the reach is too large.
fn length(units: i64, reach: &mut i64) -> Option<usize> {
    *reach = reach.checked_add(units)?;
    if units <= 0 || *reach > MAX_REACH { None } else { usize::try_from(units).ok() }
}

impl Serialize for Delta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.steps())
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_steps(Vec::<DeltaStep>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Delta, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_delta_is_normalized() {
        let long = r#"[{"retain":1},{"retain":2},{"delete":1},{"insert":"a"},{"insert":"b"},{"delete":2},{"retain":9}]"#;
        let short = r#"[{"retain":3},{"insert":"ab"},{"delete":3}]"#;
        let delta = parse(long).unwrap();
        assert_eq!(delta, parse(short).unwrap());
        assert_eq!(serde_json::to_string(&delta).unwrap(), short);
        assert_eq!(delta.reach(), 6);
    }

    #[test]
    fn formats_and_objects_are_normalized() {
        let long = r#"[{"retain":1,"attributes":{"b":true}},{"retain":2,"attributes":{"b":true}},{"retain":1,"attributes":null},
            {"delete":1},{"insert":"a","attributes":{"b":null}},{"insert":"b"},{"insert":"c","attributes":{"i":1}},
            {"embed":{"image":"x"}},{"retain":2,"attributes":{"b":null}}]"#;
        let short = "[{\"retain\":3,\"attributes\":{\"b\":true}},{\"retain\":1},{\"insert\":\"ab\"},\
            {\"insert\":\"c\",\"attributes\":{\"i\":1}},{\"insert\":\"\u{FFFC}\",\"embed\":{\"image\":\"x\"}},\
            {\"delete\":1},{\"retain\":2,\"attributes\":{\"b\":null}}]";
        let delta = parse(long).unwrap();
        assert_eq!(serde_json::to_string(&delta).unwrap(), short);
        assert_eq!(parse(short).unwrap(), delta);
        assert_eq!(delta.reach(), 7);
        assert!(delta.rich_bytes() > 0);
    }

    #[test]
    fn an_invalid_step_is_rejected_with_its_index() {
        for (json, expected) in [
            (
                r#"[{"retain":1},{"retain":1,"insert":"x"}]"#,
                "Step 1 of the delta must have exactly",
            ),
            ("[{}]", "Step 0 of the delta must have exactly"),
            (r#"[{"retain":-1}]"#, "negative"),
            (r#"[{"delete":0}]"#, "zero"),
            (r#"[{"delete":9223372036854775807}]"#, "larger than any text"),
            (r#"[{"retain":2147483648},{"delete":1}]"#, "larger than any text"),
            (r#"[{"insert":""}]"#, "inserts nothing"),
            (r#"[{"delete":1,"attributes":{"bold":true}}]"#, "deletes and has `attributes`"),
            (r#"[{"insert":"x","embed":{"image":"x.png"}}]"#, "both `insert` and `embed`"),
            (r#"[{"retain":1,"embed":{"image":"x.png"}}]"#, "must have exactly one"),
            (r#"[{"attributes":{"bold":true}}]"#, "must have exactly one"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
