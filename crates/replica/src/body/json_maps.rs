//! Reads the entries of maps and the values of lists from JSON.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};
use yrs::types::Attrs;

use super::{
    BodyMismatch,
    json::{any_of, check_level, text},
    node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece},
};

/// Reads the entries of a map. One that holds a shared type now holds one afterwards, if the JSON value can be one.
pub(super) fn map_entries(
    json: &Map<String, Value>,
    old: Option<&BodyNode>,
    level: usize,
) -> Result<BTreeMap<String, BodyEntry>, BodyMismatch> {
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
pub(super) fn list_pieces(
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
