//! Reads the nodes of a JSON tree.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};
use yrs::{Any, any::Number, types::Attrs};

use super::{
    BodyKind, BodyMismatch,
    node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece, MarkNames},
};
use crate::content_json::{ATTRIBUTES, CONTENT, TYPE};

/// The most levels of a tree. Shared types nest 128 deep at most, those of the document around it included.
const MAX_LEVELS: usize = 100;

const TEXT: &str = "text";
const MARKS: &str = "marks";
const INSERT: &str = "insert";
const FORMATS: &str = "attributes";
/// The outermost node of ProseMirror, which is the root type.
const DOCUMENT: &str = "doc";

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
                let content = self.xml(&mut root, nodes, old, 1);
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

    /// Reads the nodes within an XML element or a fragment. Text nodes that follow each other are one XML text.
    fn xml(
        &self,
        parent: &mut BodyNode,
        nodes: &[Value],
        old: Option<&BodyNode>,
        level: usize,
    ) -> Result<(), BodyMismatch> {
        check_level(level)?;
        let plain = Arc::new(Attrs::default());
        let mut open: Option<BodyNode> = None;
        for (index, node) in nodes.iter().enumerate() {
            let read = self.xml_node(node, old, level + 1);
            let piece = read.map_err(|mismatch| mismatch.within(&format!("[{index}]")))?;
            if let BodyContent::Node(_) = piece.what {
                parent.pieces.extend(open.take().map(|text| nested(text, &plain)));
                parent.pieces.push(piece);
            } else {
                open.get_or_insert_with(|| BodyNode::new(BodyNodeKind::XmlText)).push(piece);
            }
        }
        parent.pieces.extend(open.map(|text| nested(text, &plain)));
        Ok(())
    }

    fn xml_node(
        &self,
        json: &Value,
        old: Option<&BodyNode>,
        level: usize,
    ) -> Result<BodyPiece, BodyMismatch> {
        let plain = Arc::new(Attrs::default());
        let node = json.as_object();
        let kind = node.and_then(|node| node.get(TYPE));
        let is_node = node.is_some_and(|node| {
            [TYPE, ATTRIBUTES, CONTENT].iter().any(|key| node.contains_key(*key))
        });
        let Some(node) = node.filter(|_node| is_node) else {
            return Ok(BodyPiece { what: object(json, old, level)?, formats: plain });
        };
        if let Some(text) = node.get(TEXT)
            && kind.is_some_and(|kind| kind == TEXT)
        {
            let Value::String(text) = text else {
                return Err(BodyMismatch::new("is not a string").within(".text"));
            };
            let formats = Arc::new(self.formats(node.get(MARKS))?);
            return Ok(BodyPiece { what: BodyContent::Text(text.clone()), formats });
        }
        let kind = match kind {
            Some(Value::String(name)) if !name.is_empty() => {
                BodyNodeKind::Element(name.as_str().into())
            }
            Some(_) => return Err(BodyMismatch::new("is not the name of a node").within(".type")),
            None => BodyNodeKind::XmlText,
        };
        if node
            .get(MARKS)
            .is_some_and(|marks| marks.as_array().is_none_or(|marks| !marks.is_empty()))
        {
            let what = "are on a node that is no text, where Yjs keeps none. Remove them, or put them on the text";
            return Err(BodyMismatch::new(what).within(".marks"));
        }
        let mut read = BodyNode::new(kind);
        match node.get(ATTRIBUTES) {
            None | Some(Value::Null) => {}
            Some(Value::Object(attributes)) => {
                let given = attributes.iter().filter(|(_, value)| !value.is_null());
                let entry = |(name, value): (&String, &Value)| {
                    (name.clone(), BodyEntry::Value(any_of(value)))
                };
                read.entries = given.map(entry).collect();
            }
            Some(_) => return Err(BodyMismatch::new("is not an object").within(".attrs")),
        }
        let content = match node.get(CONTENT) {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(content)) => content,
            Some(_) => return Err(BodyMismatch::new("is not a list of nodes").within(".content")),
        };
        let content = match read.kind {
            BodyNodeKind::XmlText => self.xml_text(&mut read, content, old, level),
            _ => self.xml(&mut read, content, old, level),
        };
        content.map_err(|mismatch| mismatch.within(".content"))?;
        Ok(nested(read, &plain))
    }

    /// Reads the content of an XML text: text, and what is embedded in it.
    fn xml_text(
        &self,
        parent: &mut BodyNode,
        nodes: &[Value],
        old: Option<&BodyNode>,
        level: usize,
    ) -> Result<(), BodyMismatch> {
        check_level(level)?;
        for (index, node) in nodes.iter().enumerate() {
            let read = self.xml_node(node, old, level + 1);
            parent.push(read.map_err(|mismatch| mismatch.within(&format!("[{index}]")))?);
        }
        Ok(())
    }

    /// Reads marks as the formats of a text.
    fn formats(&self, marks: Option<&Value>) -> Result<Attrs, BodyMismatch> {
        let marks = match marks {
            None | Some(Value::Null) => return Ok(Attrs::default()),
            Some(Value::Array(marks)) => marks,
            Some(_) => return Err(BodyMismatch::new("is not a list of marks").within(".marks")),
        };
        let mut formats = Attrs::default();
        for (index, mark) in marks.iter().enumerate() {
            let within = |what| BodyMismatch::new(what).within(&format!(".marks[{index}]"));
            let Some(Value::String(kind)) = mark.get(TYPE) else {
                return Err(within("has no `type`"));
            };
            let value = match mark.get(ATTRIBUTES) {
                None | Some(Value::Null) => Any::Map(Arc::new(HashMap::new())),
                Some(value @ Value::Object(_)) => any_of(value),
                Some(_) => return Err(within("has `attrs` that are not an object")),
            };
            let (name, value) = match self.names.find(kind, &value) {
                Some(known) => known,
                // The same mark twice.
                None if formats.get(kind.as_str()) == Some(&value) => continue,
                // Another mark of its kind is on the same text.
                None if formats.contains_key(kind.as_str()) => {
                    (format!("{kind}--{index:08}").into(), value)
                }
                None => (kind.as_str().into(), value),
            };
            formats.insert(name, value);
        }
        Ok(formats)
    }
}

fn nested(node: BodyNode, formats: &Arc<Attrs>) -> BodyPiece {
    BodyPiece { what: BodyContent::Node(node), formats: Arc::clone(formats) }
}

fn check_level(level: usize) -> Result<(), BodyMismatch> {
    match level > MAX_LEVELS {
        true => Err(BodyMismatch::new(format!("is nested more than {MAX_LEVELS} levels deep"))),
        false => Ok(()),
    }
}

/// Returns the nodes of a document of ProseMirror, or a list of nodes, and the place of the list.
fn nodes(json: &Value) -> Result<(&[Value], &'static str), BodyMismatch> {
    match json {
        Value::Array(nodes) => Ok((nodes, "")),
        Value::Object(document) if document.get(TYPE).is_some_and(|kind| kind == DOCUMENT) => {
            let has_attributes = document.get(ATTRIBUTES).is_some_and(|attributes| {
                attributes.as_object().is_none_or(|all| all.values().any(|value| !value.is_null()))
            });
            if has_attributes {
                let what = "are those of the document, which Yjs does not keep. Use the metadata of the document for them";
                return Err(BodyMismatch::new(what).within(".attrs"));
            }
            match document.get(CONTENT) {
                None | Some(Value::Null) => Ok((&[], ".content")),
                Some(Value::Array(nodes)) => Ok((nodes, ".content")),
                Some(_) => Err(BodyMismatch::new("is not a list of nodes").within(".content")),
            }
        }
        _ => Err(BodyMismatch::new(
            "is neither a node of the type `doc` nor a list of nodes, as the content of XML is",
        )),
    }
}

/// Returns the steps of a text.
fn steps(json: &Value) -> Result<&[Value], BodyMismatch> {
    match json.get("ops").unwrap_or(json) {
        Value::Array(steps) => Ok(steps),
        _ => Err(BodyMismatch::new(
            "is neither a list of steps nor an object with `ops`, as the content of a text is",
        )),
    }
}

fn text(mut node: BodyNode, steps: &[Value]) -> Result<BodyNode, BodyMismatch> {
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

/// Reads an object in XML: a map if the present content has maps, and an embedded object otherwise.
fn object(json: &Value, old: Option<&BodyNode>, level: usize) -> Result<BodyContent, BodyMismatch> {
    let Value::Object(entries) = json else {
        return Err(BodyMismatch::new("is not a node"));
    };
    Ok(match old.and_then(|old| model(old, &BodyNodeKind::Map)) {
        Some(model) => {
            let mut map = BodyNode::new(BodyNodeKind::Map);
            map.entries = map_entries(entries, Some(model), level)?;
            BodyContent::Node(map)
        }
        None => BodyContent::Embed(any_of(json)),
    })
}

/// Finds a node of a kind at any level.
fn model<'n>(node: &'n BodyNode, kind: &BodyNodeKind) -> Option<&'n BodyNode> {
    let children = node.children();
    let own = children.iter().copied().find(|child| child.kind == *kind);
    own.or_else(|| children.into_iter().find_map(|child| model(child, kind)))
}

/// Reads the entries of a map. One that holds a shared type now holds one afterwards, if the JSON value can be one.
fn map_entries(
    json: &Map<String, Value>,
    old: Option<&BodyNode>,
    level: usize,
) -> Result<std::collections::BTreeMap<String, BodyEntry>, BodyMismatch> {
    check_level(level)?;
    let entry = |(key, value): (&String, &Value)| {
        let old = match old.and_then(|old| old.entries.get(key)) {
            Some(BodyEntry::Node(node)) => Some(node),
            Some(BodyEntry::Value(_)) | None => None,
        };
        let read = shared(value, old, level + 1);
        let read = read.map_err(|mismatch| mismatch.within(&format!(".{key}")))?;
        Ok((key.clone(), read.map_or_else(|| BodyEntry::Value(any_of(value)), BodyEntry::Node)))
    };
    json.iter().map(entry).collect()
}

/// Reads the values of a list. Objects and lists are shared types if some of those in it are now.
fn list_pieces(
    json: &[Value],
    old: Option<&BodyNode>,
    level: usize,
) -> Result<Vec<BodyPiece>, BodyMismatch> {
    check_level(level)?;
    let children = old.map(BodyNode::children).unwrap_or_default();
    let plain = Arc::new(Attrs::default());
    let piece = |(index, value): (usize, &Value)| {
        let kind = match value {
            Value::Object(_) => Some(BodyNodeKind::Map),
            Value::Array(_) => Some(BodyNodeKind::List),
            _ => None,
        };
        let old = children.iter().copied().find(|child| Some(&child.kind) == kind.as_ref());
        let read = shared(value, old, level + 1);
        let read = read.map_err(|mismatch| mismatch.within(&format!("[{index}]")))?;
        let what = read.map_or_else(|| BodyContent::Value(any_of(value)), BodyContent::Node);
        Ok(BodyPiece { what, formats: Arc::clone(&plain) })
    };
    json.iter().enumerate().map(piece).collect()
}

/// Reads a value as a shared type of the kind of `old`. `None` if it stays a value.
fn shared(
    json: &Value,
    old: Option<&BodyNode>,
    level: usize,
) -> Result<Option<BodyNode>, BodyMismatch> {
    let Some(old) = old else { return Ok(None) };
    let mut node = BodyNode::new(old.kind.clone());
    match (&old.kind, json) {
        (BodyNodeKind::Map, Value::Object(entries)) => {
            node.entries = map_entries(entries, Some(old), level)?;
        }
        (BodyNodeKind::List, Value::Array(values)) => {
            node.pieces = list_pieces(values, Some(old), level)?;
        }
        (BodyNodeKind::Text, Value::Array(written)) => node = text(node, written)?,
        _ => return Ok(None),
    }
    Ok(Some(node))
}

/// Returns a JSON value as one of Yjs. Numbers are those of JavaScript.
fn any_of(json: &Value) -> Any {
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
