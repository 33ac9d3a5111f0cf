//! Reads the entries of maps and the values of lists from JSON, and which of them are shared types.

use std::{collections::BTreeMap, slice, sync::Arc};

use serde_json::{Map, Value};
use yrs::types::Attrs;

use super::{
    BodyMismatch,
    json::{BodyReader, any_of, are_steps, check_level},
    json_xml::{are_nodes, is_element},
    node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece},
    shape::Shape,
};

impl BodyReader<'_> {
    /// Reads the entries of a map, whose shape is `shape`.
    pub(super) fn map_entries(
        &self,
        json: &Map<String, Value>,
        shape: &Shape,
        level: usize,
    ) -> Result<BTreeMap<String, BodyEntry>, BodyMismatch> {
        check_level(level)?;
        let entry = |(key, value): (&String, &Value)| {
            let read = self.entry(value, shape.entry(key), level + 1);
            Ok((key.clone(), read.map_err(|mismatch| mismatch.within(&format!(".{key}")))?))
        };
        json.iter().map(entry).collect()
    }

    /// Reads the value of an entry or of an attribute.
    pub(super) fn entry(
        &self,
        json: &Value,
        shape: &Shape,
        level: usize,
    ) -> Result<BodyEntry, BodyMismatch> {
        let read = self.shared(json, shape, level)?;
        Ok(read.map_or_else(|| BodyEntry::Value(any_of(json)), BodyEntry::Node))
    }

    /// Reads the values of a list, whose shape is `shape`.
    pub(super) fn list_pieces(
        &self,
        json: &[Value],
        shape: &Shape,
        level: usize,
    ) -> Result<Vec<BodyPiece>, BodyMismatch> {
        check_level(level)?;
        let elements = shape.elements();
        if elements.has_xml && !elements.has_maps && are_nodes(json) {
            let mut list = BodyNode::new(BodyNodeKind::List);
            self.xml(elements.xml()).read(&mut list, json, level)?;
            return Ok(list.pieces);
        }
        let plain = Arc::new(Attrs::default());
        let piece = |(index, value): (usize, &Value)| {
            let read = self.shared(value, elements, level + 1);
            let read = read.map_err(|mismatch| mismatch.within(&format!("[{index}]")))?;
            let what = read.map_or_else(
                || BodyContent::Value(any_of(value)),
                |node| BodyContent::Node(node.into()),
            );
            Ok(BodyPiece { what, formats: Arc::clone(&plain) })
        };
        json.iter().enumerate().map(piece).collect()
    }

    /// Reads a value as a shared type, if those at its place are some that it can be.
    pub(super) fn shared(
        &self,
        json: &Value,
        shape: &Shape,
        level: usize,
    ) -> Result<Option<BodyNode>, BodyMismatch> {
        match json {
            Value::Object(_) if shape.has_xml && is_xml(json, shape) => {
                self.xml(shape.xml()).nested(json, level).map(Some)
            }
            Value::Object(entries) if shape.has_maps => {
                let mut map = BodyNode::new(BodyNodeKind::Map);
                map.entries = self.map_entries(entries, shape, level)?;
                Ok(Some(map))
            }
            Value::Array(values) if shape.has_fragments && are_nodes(values) => {
                let mut fragment = BodyNode::new(BodyNodeKind::Fragment);
                self.xml(shape.xml()).read(&mut fragment, values, level)?;
                Ok(Some(fragment))
            }
            Value::Array(values) if shape.has_texts && are_steps(values) => {
                let text = BodyNode::new(BodyNodeKind::Text);
                self.text(text, values, shape, level).map(Some)
            }
            Value::Array(values) if shape.has_lists => {
                let mut list = BodyNode::new(BodyNodeKind::List);
                list.pieces = self.list_pieces(values, shape, level)?;
                Ok(Some(list))
            }
            Value::Array(_) if shape.has_plain => Ok(None),
            Value::Array(_) if shape.has_fragments => Err(BodyMismatch::new(
                "is not a list of nodes, as the XML of the document there is",
            )),
            Value::Array(_) if shape.has_texts => Err(BodyMismatch::new(
                "is not a list of steps, as the text of the document there is",
            )),
            _ => Ok(None),
        }
    }
}

/// Whether an object is XML where the document has XML, and perhaps maps.
fn is_xml(json: &Value, shape: &Shape) -> bool {
    are_nodes(slice::from_ref(json)) && (is_element(json) || !shape.has_maps)
}
