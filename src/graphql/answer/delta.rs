//! Writes the steps of a delta as JSON.
//!
//! A delta may have thousands of steps, and a selection may name their fields hundreds of times. Written at once, within a
//! bound, they take no more memory than their JSON. Audiences that select the same fields of a large delta share it.

use std::collections::HashSet;

use async_graphql::Context;
use serde::Serialize;

use super::{CopyAllowance, Encoded};
use crate::{
    domain::{Delta, DeltaStep},
    graphql::{ApiError, types::DeltaOp},
    room::SharedJson,
};

/// A delta of fewer bytes is written for each audience: looking for what others have written would take as long.
const MIN_SHARED_BYTES: usize = 4 * 1024;

/// A field of a step that an operation selects.
struct StepField<'a> {
    /// The key in the response.
    key: &'a str,
    name: StepFieldName,
    /// Whether an earlier field is the same.
    is_copy: bool,
}

impl StepField<'_> {
    /// Whether it has its own name as its key and is written for the first time.
    fn is_plain(&self) -> bool {
        let own = match self.name {
            StepFieldName::TypeName => "__typename",
            StepFieldName::Retain => "retain",
            StepFieldName::Insert => "insert",
            StepFieldName::Delete => "delete",
            StepFieldName::Embed => "embed",
            StepFieldName::Attributes => "attributes",
        };
        self.key == own && !self.is_copy
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum StepFieldName {
    TypeName,
    Retain,
    Insert,
    Delete,
    Embed,
    Attributes,
}

/// Writes what the field of `ctx` selects of the steps of `delta`, unless `shared` has it. Unless it `is_first`, everything
/// counts as copied; otherwise fields that are selected again do.
///
/// # Errors
/// [`super::CopiesTooLarge`], or a step cannot be written, which is a bug.
pub(in crate::graphql) fn encode_delta(
    ctx: &Context<'_>,
    delta: &Delta,
    shared: &SharedJson<Vec<u8>>,
    is_first: bool,
    copies: &CopyAllowance,
) -> Result<Encoded<Vec<DeltaOp>>, ApiError> {
    let delta_field = ctx.field();
    let selected = delta_field.selection_set();
    let fields = step_fields(
        selected.map(|field| {
            let name = field.name();
            (field.alias().unwrap_or(name), name)
        }),
        is_first,
    );
    let write = || encode_steps(delta.steps(), &fields, copies).map(Encoded::new);
    match shared_selection(&fields).filter(|_| delta.weight() >= MIN_SHARED_BYTES) {
        Some(selection) => Encoded::shared(shared, selection, write),
        None => write(),
    }
}

/// Identifies a selection that others may have too: fields in their order, each once and under its own name. There are few of
/// these, so what is kept is bounded.
fn shared_selection(fields: &[StepField<'_>]) -> Option<Vec<u8>> {
    fields.iter().map(|field| field.is_plain().then_some(field.name as u8)).collect()
}

/// Returns the fields with these keys and names, each key once.
fn step_fields<'a>(
    selected: impl Iterator<Item = (&'a str, &'a str)>,
    is_first: bool,
) -> Vec<StepField<'a>> {
    let (mut keys, mut names) = (HashSet::new(), HashSet::new());
    selected
        .filter_map(|(key, name)| {
            let name = match name {
                "__typename" => StepFieldName::TypeName,
                "retain" => StepFieldName::Retain,
                "insert" => StepFieldName::Insert,
                "delete" => StepFieldName::Delete,
                "embed" => StepFieldName::Embed,
                "attributes" => StepFieldName::Attributes,
                // Validation refuses any other.
                _ => return None,
            };
            let is_new = keys.insert(key);
            is_new.then(|| StepField { key, name, is_copy: !names.insert(name) || !is_first })
        })
        .collect()
}

fn encode_steps(
    steps: impl Iterator<Item = DeltaStep>,
    fields: &[StepField<'_>],
    copies: &CopyAllowance,
) -> Result<Vec<u8>, ApiError> {
    let mut json = vec![b'['];
    for (index, step) in steps.enumerate() {
        json.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        for (index, field) in fields.iter().enumerate() {
            let start = json.len();
            json.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
            json.extend_from_slice(field.key.as_bytes());
            json.extend_from_slice(b"\":");
            match field.name {
                StepFieldName::TypeName => json.extend_from_slice(b"\"DeltaOp\""),
                StepFieldName::Retain => write(&mut json, &step.retain)?,
                StepFieldName::Insert => write(&mut json, &step.insert)?,
                StepFieldName::Delete => write(&mut json, &step.delete)?,
                StepFieldName::Embed => write(&mut json, &step.embed)?,
                // Null if there are none.
                StepFieldName::Attributes => write(&mut json, &step.attributes)?,
            }
            if field.is_copy {
                copies.spend(json.len() - start)?;
            }
        }
        json.push(b'}');
    }
    json.push(b']');
    Ok(json)
}

fn write<T: Serialize>(json: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    serde_json::to_writer(json, value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::CopiesTooLarge, *};

    fn steps() -> impl Iterator<Item = DeltaStep> {
        let delta: Delta = serde_json::from_value(json!([
            { "retain": 3 }, { "insert": "a\"🎈" }, { "delete": 1 },
        ]))
        .unwrap();
        delta.steps().collect::<Vec<_>>().into_iter()
    }

    fn encoded(selected: &[(&str, &str)], is_first: bool) -> Result<Value, ApiError> {
        let fields = step_fields(selected.iter().copied(), is_first);
        let json = encode_steps(steps(), &fields, &CopyAllowance::new())?;
        Ok(serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn steps_have_the_selected_fields() {
        let all =
            [("retain", "retain"), ("a", "insert"), ("delete", "delete"), ("t", "__typename")];
        assert_eq!(
            encoded(&all, true).unwrap(),
            json!([
                { "retain": 3, "a": null, "delete": null, "t": "DeltaOp" },
                { "retain": null, "a": "a\"🎈", "delete": null, "t": "DeltaOp" },
                { "retain": null, "a": null, "delete": 1, "t": "DeltaOp" },
            ])
        );
        let twice = [("retain", "retain"), ("retain", "retain")];
        let once = json!([{ "retain": 3 }, { "retain": null }, { "retain": null }]);
        assert_eq!(encoded(&twice, true).unwrap(), once);
    }

    #[test]
    fn steps_have_their_formats_and_objects() {
        let delta: Delta = serde_json::from_value(json!([
            { "retain": 3, "attributes": { "bold": null } }, { "embed": { "image": "x" } },
        ]))
        .unwrap();
        let all = ["retain", "insert", "embed", "attributes"].map(|name| (name, name));
        let fields = step_fields(all.into_iter(), true);
        let written = encode_steps(delta.steps(), &fields, &CopyAllowance::new()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&written).unwrap(),
            json!([
                { "retain": 3, "insert": null, "embed": null, "attributes": { "bold": null } },
                { "retain": null, "insert": "\u{FFFC}", "embed": { "image": "x" }, "attributes": null },
            ])
        );
    }

    #[test]
    fn plain_selections_are_shared_in_their_order() {
        let key = |selected: &[(&str, &str)], is_first| {
            shared_selection(&step_fields(selected.iter().copied(), is_first))
        };
        let (retain, insert) = (("retain", "retain"), ("insert", "insert"));
        assert_eq!(key(&[retain, insert], true), key(&[retain, insert, retain], true));
        assert_ne!(key(&[retain, insert], true), key(&[insert, retain], true));
        assert_ne!(key(&[retain, insert], true), key(&[retain], true));
        assert!(key(&[retain], true).is_some());
        // These spend what an event may repeat.
        assert_eq!(key(&[retain, insert], false), None);
        assert_eq!(key(&[("a", "insert")], true), None);
        assert_eq!(key(&[insert, ("a", "insert")], true), None);
    }

    #[test]
    fn copies_are_bounded() {
        let aliases: Vec<_> = (0..50_000).map(|n| format!("a{n}")).collect();
        let many: Vec<_> = aliases.iter().map(|alias| (alias.as_str(), "insert")).collect();
        assert!(matches!(encoded(&many, true), Err(ApiError::Copies(CopiesTooLarge))));
        assert!(encoded(&many[..1_000], true).is_ok());
        // A second delta is a copy as a whole.
        let long = "a".repeat(400_000);
        assert!(encoded(&[(&long, "insert")], true).is_ok());
        assert!(encoded(&[(&long, "insert")], false).is_err());
    }
}
