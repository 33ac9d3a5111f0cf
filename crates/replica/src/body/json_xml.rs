//! Reads the nodes of XML: JSON in the shape of ProseMirror.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};
use yrs::{Any, types::Attrs};

use super::{
    BodyMismatch,
    json::{BodyReader, DOCUMENT, any_of, check_level},
    node::{BodyContent, BodyNode, BodyNodeKind, BodyPiece},
    shape::XmlShape,
};
use crate::content_json::{ATTRIBUTES, CONTENT, TYPE};

const TEXT: &str = "text";
const MARKS: &str = "marks";

/// Reads the nodes of XML.
pub(super) struct XmlReader<'a> {
    reader: &'a BodyReader<'a>,
    shape: &'a XmlShape,
}

impl BodyReader<'_> {
    /// Returns a reader of XML, whose shape is `shape`.
    pub(super) fn xml<'a>(&'a self, shape: &'a XmlShape) -> XmlReader<'a> {
        XmlReader { reader: self, shape }
    }
}

impl XmlReader<'_> {
    /// Reads a node that is not in XML: an element, or an XML text as an object without `type`.
    pub(super) fn nested(&self, json: &Value, level: usize) -> Result<BodyNode, BodyMismatch> {
        if json.as_object().is_some_and(Map::is_empty) {
            return Ok(BodyNode::new(BodyNodeKind::XmlText));
        }
        match self.node(json, level)?.what {
            BodyContent::Node(node) => Ok(Arc::unwrap_or_clone(node)),
            BodyContent::Text(_) | BodyContent::Embed(_) | BodyContent::Value(_) => {
                Err(BodyMismatch::new("is a text node. Put it into a node without `type`"))
            }
        }
    }

    /// Reads the nodes within an XML element or a fragment. Text nodes that follow each other are one XML text.
    pub(super) fn read(
        &self,
        parent: &mut BodyNode,
        nodes: &[Value],
        level: usize,
    ) -> Result<(), BodyMismatch> {
        check_level(level)?;
        let plain = Arc::new(Attrs::default());
        let mut open: Option<BodyNode> = None;
        for (index, node) in nodes.iter().enumerate() {
            let read = self.node(node, level + 1);
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

    fn node(&self, json: &Value, level: usize) -> Result<BodyPiece, BodyMismatch> {
        let plain = Arc::new(Attrs::default());
        let node = json.as_object();
        let kind = node.and_then(|node| node.get(TYPE));
        let Some(node) = node.filter(|_node| is_node(json)) else {
            return Ok(BodyPiece { what: self.object(json, level)?, formats: plain });
        };
        let is_text = kind.is_some_and(|kind| kind == TEXT) && node.contains_key(TEXT);
        let is_known = |name: &str| {
            [TYPE, ATTRIBUTES, CONTENT, MARKS].contains(&name) || (is_text && name == TEXT)
        };
        if let Some(name) = node.keys().find(|name| !is_known(name)) {
            return Err(BodyMismatch::new(format!(
                "has the member {name:?}, which nodes of XML do not have. Put it into `attrs`, or send the `kind` of the content"
            )));
        }
        if let Some(text) = node.get(TEXT)
            && kind.is_some_and(|kind| kind == TEXT)
        {
            let Value::String(text) = text else {
                return Err(BodyMismatch::new("is not a string").within(".text"));
            };
            if has_attributes(node) {
                let what = "are on a text, where Yjs keeps none. Put them into a mark, or on the node around it";
                return Err(BodyMismatch::new(what).within(".attrs"));
            }
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
                    let read = self.reader.entry(value, self.shape.attribute(name), level + 1);
                    let within =
                        |mismatch: BodyMismatch| mismatch.within(&format!(".attrs.{name}"));
                    Ok((name.clone(), read.map_err(within)?))
                };
                read.entries = given.map(entry).collect::<Result<_, BodyMismatch>>()?;
            }
            Some(_) => return Err(BodyMismatch::new("is not an object").within(".attrs")),
        }
        let content = match node.get(CONTENT) {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(content)) => content,
            Some(_) => return Err(BodyMismatch::new("is not a list of nodes").within(".content")),
        };
        let content = match read.kind {
            BodyNodeKind::XmlText => self.text(&mut read, content, level),
            _ => self.read(&mut read, content, level),
        };
        content.map_err(|mismatch| mismatch.within(".content"))?;
        Ok(nested(read, &plain))
    }

    /// Reads the content of an XML text: text, and what is embedded in it.
    fn text(
        &self,
        parent: &mut BodyNode,
        nodes: &[Value],
        level: usize,
    ) -> Result<(), BodyMismatch> {
        check_level(level)?;
        for (index, node) in nodes.iter().enumerate() {
            let read = self.node(node, level + 1);
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
            let within = |what: String| BodyMismatch::new(what).within(&format!(".marks[{index}]"));
            let Some(Value::String(kind)) = mark.get(TYPE) else {
                return Err(within("has no `type`".to_owned()));
            };
            let mut members = mark.as_object().into_iter().flatten();
            if let Some((name, _)) = members.find(|(name, _)| *name != TYPE && *name != ATTRIBUTES)
            {
                return Err(within(format!(
                    "has the member {name:?}, which marks do not have. Put it into `attrs`"
                )));
            }
            let value = match mark.get(ATTRIBUTES) {
                None | Some(Value::Null) => Any::Map(Arc::new(HashMap::new())),
                Some(value @ Value::Object(_)) => any_of(value),
                Some(_) => return Err(within("has `attrs` that are not an object".to_owned())),
            };
            let known = self.reader.names.find(kind, &value);
            let (name, value) = known.unwrap_or_else(|| (kind.as_str().into(), value));
            let name = match formats.get(&name) {
                None => name,
                // The same mark twice.
                Some(present) if *present == value => continue,
                // Another mark of its kind is on the same text.
                Some(_) => format!("{kind}--{index:08}").into(),
            };
            formats.insert(name, value);
        }
        Ok(formats)
    }

    /// Reads what is in XML and is no XML: a shared type if there are some now, and an embedded object otherwise.
    fn object(&self, json: &Value, level: usize) -> Result<BodyContent, BodyMismatch> {
        match self.reader.shared(json, self.shape.objects(), level)? {
            Some(node) => Ok(BodyContent::Node(node.into())),
            None if json.is_object() => Ok(BodyContent::Embed(any_of(json))),
            None => Err(BodyMismatch::new("is not a node")),
        }
    }
}

fn nested(node: BodyNode, formats: &Arc<Attrs>) -> BodyPiece {
    BodyPiece { what: BodyContent::Node(node.into()), formats: Arc::clone(formats) }
}

/// Whether an object is a node of XML.
fn is_node(json: &Value) -> bool {
    [TYPE, ATTRIBUTES, CONTENT].iter().any(|key| json.get(key).is_some())
}

/// Whether an object has only the members of an element or of an XML text.
pub(super) fn is_element(json: &Value) -> bool {
    let is_member = |key: &String| [TYPE, ATTRIBUTES, CONTENT].contains(&key.as_str());
    json.as_object().is_some_and(|node| node.keys().all(is_member))
}

/// Whether a list looks like nodes of XML. An empty object is an XML text without content.
pub(super) fn are_nodes(values: &[Value]) -> bool {
    let is_empty = |json: &Value| json.as_object().is_some_and(Map::is_empty);
    values.iter().all(|json| is_node(json) || is_empty(json))
}

/// Whether a node has an attribute that is not null.
fn has_attributes(node: &Map<String, Value>) -> bool {
    node.get(ATTRIBUTES).is_some_and(|attributes| match attributes {
        Value::Null => false,
        Value::Object(all) => all.values().any(|value| !value.is_null()),
        _ => true,
    })
}

/// Returns the nodes of a document of ProseMirror, or a list of nodes, and the place of the list.
pub(super) fn nodes(json: &Value) -> Result<(&[Value], &'static str), BodyMismatch> {
    match json {
        Value::Array(nodes) => Ok((nodes, "")),
        Value::Object(document) if document.get(TYPE).is_some_and(|kind| kind == DOCUMENT) => {
            if has_attributes(document) {
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
