//! Reads the content of a root type from JSON.

use std::sync::Arc;

use serde_json::Value;
use yrs::{Any, any::Number, types::Attrs};

use super::{
    BodyKind, BodyMismatch,
    json_maps::{list_pieces, map_entries},
    json_xml::{XmlReader, nodes},
    node::{BodyContent, BodyNode, BodyNodeKind, BodyPiece, MarkNames},
};
use crate::content_json::{ATTRIBUTES, TYPE};

/// The most levels of a tree. Shared types nest 128 deep at most, those of the document around it included.
const MAX_LEVELS: usize = 100;

const INSERT: &str = "insert";
const FORMATS: &str = "attributes";
/// The outermost node of ProseMirror, which is the root type.
pub(super) const DOCUMENT: &str = "doc";

/// Returns the kind of root type that a tree is made for.
pub(super) fn kind_of(json: &Value) -> BodyKind {
    let has = |value: &Value, key: &str| value.get(key).is_some();
    match json {
        Value::Object(object) if object.contains_key("ops") => BodyKind::Text,
        Value::Object(object) if object.get(TYPE).is_some_and(|kind| kind == DOCUMENT) => {
            BodyKind::Xml
        }
        Value::Object(_) => BodyKind::Map,
        Value::Array(values) if values.iter().all(|value| has(value, INSERT)) => {
            if values.is_empty() { BodyKind::Xml } else { BodyKind::Text }
        }
        Value::Array(values)
            if values.iter().all(|value| has(value, TYPE) || has(value, ATTRIBUTES)) =>
        {
            BodyKind::Xml
        }
        _ => BodyKind::List,
    }
}

/// Reads JSON trees.
pub(super) struct BodyReader<'a> {
    names: &'a MarkNames,
}

impl<'a> BodyReader<'a> {
    pub(super) fn new(names: &'a MarkNames) -> Self {
        Self { names }
    }

    /// Reads the content of a root type. `old` is its present content, which tells what JSON does not: whether an object is a shared
    /// type.
    ///
    /// # Errors
    /// [`BodyMismatch`].
    pub(super) fn read(
        &self,
        kind: BodyKind,
        json: &Value,
        old: Option<&BodyNode>,
    ) -> Result<BodyNode, BodyMismatch> {
        let mut root = BodyNode::new(BodyNodeKind::Root);
        match kind {
            BodyKind::Text => root = text(root, steps(json)?)?,
            BodyKind::Xml => {
                let (nodes, step) = nodes(json)?;
                let content = XmlReader { names: self.names, old }.read(&mut root, nodes, 1);
                content.map_err(|mismatch| mismatch.within(step))?;
            }
            BodyKind::Map => {
                let Value::Object(entries) = json else {
                    return Err(BodyMismatch::new("is not an object, as the content of a map is"));
                };
                root.entries = map_entries(entries, old, 1)?;
            }
            BodyKind::List => {
                let Value::Array(values) = json else {
                    return Err(BodyMismatch::new("is not a list"));
                };
                root.pieces = list_pieces(values, old, 1)?;
            }
        }
        Ok(root)
    }
}

/// Checks that a level is not too deep.
pub(super) fn check_level(level: usize) -> Result<(), BodyMismatch> {
    match level > MAX_LEVELS {
        true => Err(BodyMismatch::new(format!("is nested more than {MAX_LEVELS} levels deep"))),
        false => Ok(()),
    }
}

/// Returns the steps of a text.
fn steps(json: &Value) -> Result<&[Value], BodyMismatch> {
    let other = json.as_object().and_then(|text| text.keys().find(|name| *name != "ops"));
    if let Some(name) = other {
        return Err(BodyMismatch::new(format!(
            "has the member {name:?} beside `ops`. Remove it, or send the `kind` of the content"
        )));
    }
    match json.get("ops").unwrap_or(json) {
        Value::Array(steps) => Ok(steps),
        _ => Err(BodyMismatch::new(
            "is neither a list of steps nor an object with `ops`, as the content of a text is",
        )),
    }
}

/// Gives a text the content of steps.
pub(super) fn text(mut node: BodyNode, steps: &[Value]) -> Result<BodyNode, BodyMismatch> {
    for (index, step) in steps.iter().enumerate() {
        let within = |what| BodyMismatch::new(what).within(&format!("[{index}]"));
        let what = match step.get(INSERT) {
            Some(Value::String(text)) => BodyContent::Text(text.clone()),
            Some(Value::Object(_)) => {
                BodyContent::Embed(step.get(INSERT).map_or(Any::Null, any_of))
            }
            _ => return Err(within("does not insert a string or an object")),
        };
        let formats = match step.get(FORMATS) {
            None | Some(Value::Null) => Attrs::default(),
            Some(Value::Object(formats)) => formats
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.as_str().into(), any_of(value)))
                .collect(),
            Some(_) => return Err(within("has `attributes` that are not an object")),
        };
        let is_empty = matches!(&what, BodyContent::Text(text) if text.is_empty());
        if !is_empty {
            node.push(BodyPiece { what, formats: Arc::new(formats) });
        }
    }
    Ok(node)
}

/// Returns a JSON value as one of Yjs. Numbers are those of JavaScript.
pub(crate) fn any_of(json: &Value) -> Any {
    match json {
        Value::Null => Any::Null,
        Value::Bool(value) => Any::Bool(*value),
        Value::Number(number) => Any::Number(number_of(number)),
        Value::String(text) => Any::String(text.as_str().into()),
        Value::Array(values) => Any::Array(values.iter().map(any_of).collect()),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), any_of(value)));
            Any::Map(Arc::new(entries.collect()))
        }
    }
}

fn number_of(json: &serde_json::Number) -> Number {
    let is_safe = |value: &i64| value.unsigned_abs() <= Number::I64_MAX_SAFE_INTEGER.unsigned_abs();
    match json.as_i64().filter(is_safe) {
        Some(value) => Number::Int(value),
        None => Number::Float(json.as_f64().unwrap_or_default()),
    }
}
