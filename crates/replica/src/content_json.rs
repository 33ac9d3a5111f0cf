//! The content of a document as JSON, for those who take their data elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use yrs::{
    Any, Array as _, ArrayRef, Map as _, MapRef, Out, ReadTxn, Text, TextRef, Transact as _,
    XmlFragment as _, XmlOut, XmlTextRef,
    branch::{Branch, BranchPtr},
    types::{
        Attrs,
        text::{Diff, YChange},
    },
};

use super::{
    branches::branch_of,
    replica::{MARKS, Replica, TEXT},
    subdocuments::guid_of,
};

/// The members of a node of XML, as in the JSON of ProseMirror.
pub(crate) const TYPE: &str = "type";
pub(crate) const ATTRIBUTES: &str = "attrs";
pub(crate) const CONTENT: &str = "content";

/// The length of the hash at the end of a mark's name.
const HASH_LENGTH: usize = 8;

impl Replica {
    /// Returns the content: in `ops` the text in the Quill Delta format, with its formats and embedded objects, and in `roots` every
    /// other root type that has content. A map is an object, a list is a list, another text is a list of steps like `ops`. XML is
    /// a list of nodes in the shape of ProseMirror's JSON: an element has `type`, `attrs` and `content`, a text `text` and
    /// `marks`.
    #[must_use]
    pub fn content_json(&self) -> Value {
        let txn = self.doc.transact();
        let mut content = Map::new();
        content.insert("ops".to_owned(), steps(&chunks(&self.text, &txn), &txn));
        let others = txn.root_refs().filter(|(name, _)| *name != MARKS && *name != TEXT);
        let others = others.filter_map(|(name, root)| {
            Some((name.to_owned(), root_json(branch_of(&root)?, &txn)?))
        });
        let others: Map<String, Value> = others.collect();
        if !others.is_empty() {
            content.insert("roots".to_owned(), Value::Object(others));
        }
        Value::Object(content)
    }
}

impl Replica {
    /// Returns the name of the root type that is the body of the document: `content` if it has text. Otherwise the first other one, by
    /// name, that has content. A map is the body only if there is nothing else: many applications keep settings in one.
    #[must_use]
    pub fn body_root(&self) -> String {
        let txn = self.doc.transact();
        if self.text.len(&txn) > 0 {
            return TEXT.to_owned();
        }
        // Whether it is a map, if it has content.
        let is_map = |root: &Out| {
            let branch = branch_of(root)?;
            let has_sequence = TextRef::from(branch).len(&txn) > 0;
            (has_sequence || MapRef::from(branch).len(&txn) > 0).then_some(!has_sequence)
        };
        let others = txn.root_refs().filter(|(name, _root)| *name != MARKS);
        let first = others.filter_map(|(name, root)| Some((is_map(&root)?, name))).min();
        first.map_or(TEXT, |(_is_map, name)| name).to_owned()
    }

    /// Returns the content of a root type as [`content_json`](Self::content_json) shows it. `None` if it has none.
    #[must_use]
    pub fn root_json(&self, name: &str) -> Option<Value> {
        let txn = self.doc.transact();
        if name == TEXT {
            return (self.text.len(&txn) > 0).then(|| steps(&chunks(&self.text, &txn), &txn));
        }
        let mut roots = txn.root_refs();
        let (_, root) = roots.find(|(root, _)| *root == name && *root != MARKS)?;
        root_json(branch_of(&root)?, &txn)
    }
}

/// Returns a root type, of which kind is not known, as JSON. `None` if it is empty.
pub(crate) fn root_json(branch: BranchPtr, txn: &impl ReadTxn) -> Option<Value> {
    let (map, text) = (MapRef::from(branch), TextRef::from(branch));
    match (map.len(txn), text.len(txn)) {
        (0, 0) => None,
        (_, 0) => Some(map_json(&map, txn)),
        (0, _) => Some(sequence_json(branch, txn)),
        _ => {
            let (entries, content) = (map_json(&map, txn), sequence_json(branch, txn));
            Some(json!({ ATTRIBUTES: entries, CONTENT: content }))
        }
    }
}

/// Returns the sequence of a root type: the steps of a text, or a list.
fn sequence_json(branch: BranchPtr, txn: &impl ReadTxn) -> Value {
    let chunks = chunks(&TextRef::from(branch), txn);
    if chunks.iter().any(is_text) {
        return steps(&chunks, txn);
    }
    list_json(ArrayRef::from(branch).iter(txn), txn)
}

/// Returns the chunks of a text, joined where the formats are the same.
fn chunks(text: &impl Text, txn: &impl ReadTxn) -> Vec<Diff<YChange>> {
    let mut joined: Vec<Diff<YChange>> = Vec::new();
    let mut chunks = text.diff(txn, YChange::identity).into_iter().peekable();
    while let Some(mut chunk) = chunks.next() {
        if let Out::Any(Any::String(first)) = &chunk.insert {
            let mut whole = first.to_string();
            while let Some(next) =
                chunks.next_if(|next| formats(next) == formats(&chunk) && is_text(next))
            {
                if let Out::Any(Any::String(text)) = &next.insert {
                    whole.push_str(text);
                }
            }
            chunk.insert = Out::Any(Any::String(whole.into()));
        }
        joined.push(chunk);
    }
    joined
}

fn is_text(chunk: &Diff<YChange>) -> bool {
    matches!(chunk.insert, Out::Any(Any::String(_)))
}

/// Returns the chunks of a text as steps that insert them.
fn steps(chunks: &[Diff<YChange>], txn: &impl ReadTxn) -> Value {
    let step = |chunk: &Diff<YChange>| {
        let mut step = Map::new();
        step.insert("insert".to_owned(), shared_json(&chunk.insert, txn));
        if let Some(formats) = formats(chunk) {
            let formats = formats.iter().map(|(name, format)| (name.to_string(), value(format)));
            step.insert("attributes".to_owned(), Value::Object(formats.collect()));
        }
        Value::Object(step)
    };
    Value::Array(chunks.iter().map(step).collect())
}

fn formats(chunk: &Diff<YChange>) -> Option<&Attrs> {
    chunk.attributes.as_deref().filter(|formats| !formats.is_empty())
}

/// Returns a value or a shared type as JSON.
pub(crate) fn shared_json(shared: &Out, txn: &impl ReadTxn) -> Value {
    match shared {
        Out::Any(any) => value(any),
        Out::YText(text) => steps(&chunks(text, txn), txn),
        Out::YArray(list) => list_json(list.iter(txn), txn),
        Out::YMap(map) => map_json(map, txn),
        Out::YXmlElement(element) => {
            let mut node = Map::new();
            node.insert(TYPE.to_owned(), element.tag().to_string().into());
            describe(&mut node, element.as_ref(), nodes(element.children(txn), txn), txn);
            Value::Object(node)
        }
        Out::YXmlFragment(fragment) => Value::Array(nodes(fragment.children(txn), txn)),
        Out::YXmlText(text) => {
            let mut node = Map::new();
            describe(&mut node, text.as_ref(), text_nodes(text, txn), txn);
            Value::Object(node)
        }
        Out::YDoc(_) | Out::UndefinedRef(_) => Value::Null,
    }
}

fn list_json(values: impl Iterator<Item = Out>, txn: &impl ReadTxn) -> Value {
    Value::Array(nodes(values, txn))
}

fn map_json(map: &MapRef, txn: &impl ReadTxn) -> Value {
    let entries = map.iter(txn).map(|(key, value)| (key.to_owned(), shared_json(&value, txn)));
    Value::Object(entries.collect())
}

/// Adds what a node of XML has: its attributes and its content, if there are any.
fn describe(node: &mut Map<String, Value>, xml: &Branch, content: Vec<Value>, txn: &impl ReadTxn) {
    let attributes = MapRef::from(BranchPtr::from(xml));
    if attributes.len(txn) > 0 {
        node.insert(ATTRIBUTES.to_owned(), map_json(&attributes, txn));
    }
    if !content.is_empty() {
        node.insert(CONTENT.to_owned(), Value::Array(content));
    }
}

/// Returns the elements of a list. XML text becomes the pieces that it has, unless it has attributes, as in documents of Lexical.
fn nodes(values: impl Iterator<Item = impl Into<Node>>, txn: &impl ReadTxn) -> Vec<Value> {
    let mut nodes = Vec::new();
    for Node(shared) in values.map(Into::into) {
        match shared {
            Out::YXmlText(text)
                if MapRef::from(BranchPtr::from(AsRef::<Branch>::as_ref(&text))).len(txn) == 0 =>
            {
                nodes.extend(text_nodes(&text, txn));
            }
            shared => nodes.push(shared_json(&shared, txn)),
        }
    }
    nodes
}

/// An element of a list, or a child of an XML element.
struct Node(Out);

impl From<Out> for Node {
    fn from(shared: Out) -> Self {
        Self(shared)
    }
}

impl From<XmlOut> for Node {
    fn from(child: XmlOut) -> Self {
        Self(match child {
            XmlOut::Element(element) => Out::YXmlElement(element),
            XmlOut::Fragment(fragment) => Out::YXmlFragment(fragment),
            XmlOut::Text(text) => Out::YXmlText(text),
        })
    }
}

/// Returns XML text as text nodes with marks, and what is embedded in it.
fn text_nodes(text: &XmlTextRef, txn: &impl ReadTxn) -> Vec<Value> {
    let node = |chunk: &Diff<YChange>| {
        let Out::Any(Any::String(piece)) = &chunk.insert else {
            return shared_json(&chunk.insert, txn);
        };
        let mut node = Map::new();
        node.insert(TYPE.to_owned(), "text".into());
        if let Some(formats) = formats(chunk) {
            // The library keeps them in no order.
            let formats: BTreeMap<_, _> = formats.iter().collect();
            let marks = formats.into_iter().map(|(name, format)| mark(name, format));
            node.insert("marks".to_owned(), Value::Array(marks.collect()));
        }
        node.insert("text".to_owned(), (**piece).into());
        Value::Object(node)
    };
    chunks(text, txn).iter().map(node).collect()
}

/// Returns the kind of a mark. The binding of ProseMirror appends a hash to the names of marks that may overlap with others of their
/// kind.
pub(crate) fn mark_kind(name: &str) -> &str {
    let is_hash = |hash: &str| {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        hash.len() == HASH_LENGTH && hash.bytes().all(is_base64)
    };
    match name.rsplit_once("--") {
        Some((kind, hash)) if is_hash(hash) => kind,
        _ => name,
    }
}

fn mark(name: &str, format: &Any) -> Value {
    let kind = mark_kind(name);
    match value(format) {
        Value::Object(attributes) if !attributes.is_empty() => {
            json!({ TYPE: kind, ATTRIBUTES: attributes })
        }
        _ => json!({ TYPE: kind }),
    }
}

/// Returns a value of Yjs as JSON. One that JSON does not have is null, and a subdocument is an object with its guid.
pub(crate) fn value(any: &Any) -> Value {
    if let Some(guid) = guid_of(any) {
        return json!({ "guid": guid });
    }
    serde_json::to_value(any).unwrap_or_default()
}

#[cfg(test)]
#[path = "content_json_tests.rs"]
mod tests;
