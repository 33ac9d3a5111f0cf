//! Which shared types a document has where: what JSON does not say.
//!
//! An object of JSON may be a map, or a value, and a list may be a text, XML, a list, or a value. What a new tree has at a place becomes
//! what the document has at that place. Places with the same path are one: all elements of a list, and all nodes of XML.

use std::collections::BTreeMap;

use yrs::Any;

use super::node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind};

/// The shared types at one place.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) has_maps: bool,
    pub(super) has_lists: bool,
    pub(super) has_texts: bool,
    pub(super) has_fragments: bool,
    /// Whether there are XML elements or XML texts.
    pub(super) has_xml: bool,
    /// Whether there are values that JSON shows as lists or objects.
    pub(super) has_plain: bool,
    entries: BTreeMap<String, Shape>,
    /// What is in lists, and in texts.
    elements: Option<Box<Shape>>,
    xml: Option<Box<XmlShape>>,
}

/// The shared types in XML, at any level of it.
#[derive(Debug, Default)]
pub(super) struct XmlShape {
    attributes: BTreeMap<String, Shape>,
    /// What is in it besides XML.
    objects: Shape,
}

static NO_SHAPE: Shape = Shape::new();
static NO_XML: XmlShape = XmlShape { attributes: BTreeMap::new(), objects: Shape::new() };

impl Shape {
    const fn new() -> Self {
        Self {
            has_maps: false,
            has_lists: false,
            has_texts: false,
            has_fragments: false,
            has_xml: false,
            has_plain: false,
            entries: BTreeMap::new(),
            elements: None,
            xml: None,
        }
    }

    /// Returns the shape of a place without shared types.
    pub(super) fn none() -> &'static Self {
        &NO_SHAPE
    }

    /// Returns the shape of a root type.
    pub(super) fn of(root: &BodyNode) -> Self {
        let mut shape = Self::new();
        shape.add(root);
        shape.note_values(root);
        shape
    }

    fn add(&mut self, node: &BodyNode) {
        match &node.kind {
            BodyNodeKind::Map => self.has_maps = true,
            BodyNodeKind::List => self.has_lists = true,
            BodyNodeKind::Text => self.has_texts = true,
            BodyNodeKind::Fragment => self.has_fragments = true,
            BodyNodeKind::Element(_) | BodyNodeKind::XmlText => self.has_xml = true,
            BodyNodeKind::Root => {}
        }
        // A root type may be XML, and have other types in it.
        let is_root = node.kind == BodyNodeKind::Root;
        if node.kind.is_xml() || is_root {
            self.xml.get_or_insert_default().add(node);
        }
        if node.kind.is_xml() {
            return;
        }
        for (key, entry) in &node.entries {
            if let BodyEntry::Node(inner) = entry {
                self.entries.entry(key.clone()).or_default().add(inner);
            }
        }
        for child in node.children() {
            self.elements.get_or_insert_default().add(child);
        }
    }

    /// Notes the values in a node at places that have shared types too.
    fn note_values(&mut self, node: &BodyNode) {
        if let Some(xml) = &mut self.xml {
            xml.note_values(node);
        }
        if node.kind.is_xml() {
            return;
        }
        for (key, entry) in &node.entries {
            let Some(shape) = self.entries.get_mut(key) else { continue };
            match entry {
                BodyEntry::Node(inner) => shape.note_values(inner),
                BodyEntry::Value(value) => shape.note_value(value),
            }
        }
        let Some(shape) = &mut self.elements else { return };
        for piece in &node.pieces {
            match &piece.what {
                BodyContent::Node(inner) => shape.note_values(inner),
                BodyContent::Embed(value) | BodyContent::Value(value) => shape.note_value(value),
                BodyContent::Text(_) => {}
            }
        }
    }

    fn note_value(&mut self, value: &Any) {
        match value {
            Any::Null | Any::Undefined | Any::Bool(_) | Any::Number(_) | Any::String(_) => return,
            Any::Buffer(_) => {}
            Any::Array(values) => {
                if let Some(shape) = &mut self.elements {
                    values.iter().for_each(|value| shape.note_value(value));
                }
            }
            Any::Map(entries) => {
                for (key, value) in entries.iter() {
                    if let Some(shape) = self.entries.get_mut(key) {
                        shape.note_value(value);
                    }
                }
            }
        }
        self.has_plain = true;
    }

    /// The shape of an entry of a map.
    pub(super) fn entry(&self, key: &str) -> &Self {
        self.entries.get(key).unwrap_or(&NO_SHAPE)
    }

    /// The shape of the elements of a list, or of the objects in a text.
    pub(super) fn elements(&self) -> &Self {
        self.elements.as_deref().unwrap_or(&NO_SHAPE)
    }

    /// The shape of XML.
    pub(super) fn xml(&self) -> &XmlShape {
        self.xml.as_deref().unwrap_or(&NO_XML)
    }
}

impl XmlShape {
    fn add(&mut self, node: &BodyNode) {
        for (name, entry) in &node.entries {
            if let BodyEntry::Node(inner) = entry {
                self.attributes.entry(name.clone()).or_default().add(inner);
            }
        }
        for child in node.children() {
            match child.kind.is_xml() {
                true => self.add(child),
                false => self.objects.add(child),
            }
        }
    }

    fn note_values(&mut self, node: &BodyNode) {
        for (name, entry) in &node.entries {
            let Some(shape) = self.attributes.get_mut(name) else { continue };
            match entry {
                BodyEntry::Node(inner) => shape.note_values(inner),
                BodyEntry::Value(value) => shape.note_value(value),
            }
        }
        for piece in &node.pieces {
            match &piece.what {
                BodyContent::Node(child) if child.kind.is_xml() => self.note_values(child),
                BodyContent::Node(inner) => self.objects.note_values(inner),
                BodyContent::Embed(value) | BodyContent::Value(value) => {
                    self.objects.note_value(value);
                }
                BodyContent::Text(_) => {}
            }
        }
    }

    /// The shape of an attribute.
    pub(super) fn attribute(&self, name: &str) -> &Shape {
        self.attributes.get(name).unwrap_or(&NO_SHAPE)
    }

    /// The shape of what is in XML besides XML.
    pub(super) fn objects(&self) -> &Shape {
        &self.objects
    }
}
