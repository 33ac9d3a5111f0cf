//! Reads the content of a root type from JSON.

use std::sync::Arc;

use serde_json::{Map, Value};
use yrs::{Any, any::Number, types::Attrs};

use super::{
    BodyKind, BodyMismatch,
    digests::is_safe,
    json_xml::nodes,
    mark_names::MarkNames,
    node::{BodyContent, BodyNode, BodyNodeKind, BodyPiece},
    shape::Shape,
};
use crate::content_json::{ATTRIBUTES, CONTENT, TYPE};

/// The most levels of a tree. Shared types nest 128 deep at most, those of the document around it included.
const MAX_LEVELS: usize = 100;

const INSERT: &str = "insert";
const NO_INSERTION: &str = "does not insert a string or an object";
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
        Value::Object(_) if let Some((_, content)) = attributes_and_content(json) => {
            kind_of(content)
        }
        Value::Object(_) => BodyKind::Map,
        Value::Array(values) if are_steps(values) => {
            if values.is_empty() {
                BodyKind::Xml
            } else {
                BodyKind::Text
            }
        }
        Value::Array(values)
            if values.iter().all(|value| has(value, TYPE) || has(value, ATTRIBUTES)) =>
        {
            BodyKind::Xml
        }
        _ => BodyKind::List,
    }
}

/// Returns the entries and the sequence of a root type that has both.
fn attributes_and_content(json: &Value) -> Option<(&Map<String, Value>, &Value)> {
    let object = json.as_object()?;
    match (object.len(), object.get(ATTRIBUTES)?, object.get(CONTENT)?) {
        (2, Value::Object(attributes), content @ Value::Array(_)) => Some((attributes, content)),
        _ => None,
    }
}

/// Reads JSON trees.
pub(super) struct BodyReader<'a> {
    pub(super) names: &'a MarkNames<'a>,
    /// What the document has, which tells what JSON does not: whether an object is a shared type.
    pub(super) shape: &'a Shape,
}

impl BodyReader<'_> {
    /// Reads the content of a root type whose content is `old`. With `keeps_entries`, JSON without entries has those of `old`.
    ///
    /// # Errors
    /// [`BodyMismatch`].
    pub(super) fn read_beside(
        &self,
        kind: BodyKind,
        json: &Value,
        old: &BodyNode,
        keeps_entries: bool,
    ) -> Result<BodyNode, BodyMismatch> {
        let (mut root, has_entries) = self.read(kind, json)?;
        if keeps_entries && !has_entries {
            root.entries.clone_from(&old.entries);
        }
        Ok(root)
    }

    /// Reads the content of a root type. One that has entries besides a sequence is an object with `attrs` and `content`. Returns as well
    /// whether the JSON has the entries.
    ///
    /// # Errors
    /// [`BodyMismatch`].
    pub(super) fn read(
        &self,
        kind: BodyKind,
        json: &Value,
    ) -> Result<(BodyNode, bool), BodyMismatch> {
        if json.is_string() {
            return Err(BodyMismatch::new("is a string. Send the JSON itself, not a text of it"));
        }
        let mut root = BodyNode::new(BodyNodeKind::Root);
        if kind == BodyKind::Map {
            let Value::Object(entries) = json else {
                return Err(BodyMismatch::new("is not an object, as the content of a map is"));
            };
            root.entries = self.map_entries(entries, self.shape, 1)?;
            return Ok((root, true));
        }
        let Some((attributes, content)) = attributes_and_content(json) else {
            let root = self.sequence(root, kind, json)?;
            return Ok((root, false));
        };
        let entries = self.map_entries(attributes, self.shape, 1);
        root.entries = entries.map_err(|mismatch| mismatch.within(".attrs"))?;
        let root = self.sequence(root, kind, content);
        let root = root.map_err(|mismatch| mismatch.within(".content"))?;
        Ok((root, true))
    }

    /// Reads the sequence of a root type.
    fn sequence(
        &self,
        mut root: BodyNode,
        kind: BodyKind,
        json: &Value,
    ) -> Result<BodyNode, BodyMismatch> {
        match kind {
            BodyKind::Text => return self.text(root, steps(json)?, self.shape, 1),
            BodyKind::Xml => {
                let (nodes, step) = nodes(json)?;
                let content = self.xml(self.shape.xml()).read(&mut root, nodes, 1);
                content.map_err(|mismatch| mismatch.within(step))?;
            }
            BodyKind::List | BodyKind::Map => {
                let Value::Array(values) = json else {
                    return Err(BodyMismatch::new("is not a list"));
                };
                root.pieces = self.list_pieces(values, self.shape, 1)?;
            }
        }
        Ok(root)
    }

    /// Gives a text the content of steps. `shape` is that of the text.
    pub(super) fn text(
        &self,
        mut node: BodyNode,
        steps: &[Value],
        shape: &Shape,
        level: usize,
    ) -> Result<BodyNode, BodyMismatch> {
        check_level(level)?;
        for (index, step) in steps.iter().enumerate() {
            let within = |mismatch: BodyMismatch| mismatch.within(&format!("[{index}]"));
            let what = match step.get(INSERT) {
                Some(Value::String(text)) => BodyContent::Text(text.clone()),
                Some(json) => {
                    match self.shared(json, shape.elements(), level + 1).map_err(within)? {
                        Some(node) => BodyContent::Node(node.into()),
                        None if json.is_object() => BodyContent::Embed(any_of(json)),
                        None => return Err(within(BodyMismatch::new(NO_INSERTION))),
                    }
                }
                None => return Err(within(BodyMismatch::new(NO_INSERTION))),
            };
            let formats = match step.get(FORMATS) {
                None | Some(Value::Null) => Attrs::default(),
                Some(Value::Object(formats)) => formats
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name.as_str().into(), any_of(value)))
                    .collect(),
                Some(_) => {
                    let what = "has `attributes` that are not an object";
                    return Err(within(BodyMismatch::new(what)));
                }
            };
            let is_empty = matches!(&what, BodyContent::Text(text) if text.is_empty());
            if !is_empty {
                node.push(BodyPiece { what, formats: Arc::new(formats) });
            }
        }
        Ok(node)
    }
}

/// Checks that a level is not too deep.
pub(super) fn check_level(level: usize) -> Result<(), BodyMismatch> {
    match level > MAX_LEVELS {
        true => Err(BodyMismatch::new(format!("is nested more than {MAX_LEVELS} levels deep"))),
        false => Ok(()),
    }
}

/// Whether a list looks like the steps of a text.
pub(super) fn are_steps(values: &[Value]) -> bool {
    values.iter().all(|value| value.get(INSERT).is_some())
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
    match json.as_i64().filter(|value| is_safe(*value)) {
        Some(value) => Number::Int(value),
        None => Number::Float(json.as_f64().unwrap_or_default()),
    }
}
