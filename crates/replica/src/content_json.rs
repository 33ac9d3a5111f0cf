//! The content of a document as JSON, for those who take their data elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use yrs::{
    Any, Map as _, MapRef, Out, ReadTxn, Text, TextRef, Transact as _, XmlFragment as _, XmlOut,
    XmlTextRef,
    branch::{Branch, BranchPtr},
    types::{
        Attrs,
        text::{Diff, YChange},
    },
};

use super::{
    branches::branch_of,
    json_allowance::{JsonAllowance, JsonTooLarge},
    list_values::list_values,
    marks::MARKS,
    replica::{Replica, TEXT},
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
    ///
    /// Its size has no limit, and a small document may have very large JSON. Use it where no client asks for it; otherwise
    /// [`content_json_within`](Self::content_json_within).
    #[must_use]
    pub fn content_json(&self) -> Value {
        self.content_json_within(usize::MAX).unwrap_or_default()
    }

    /// Returns the content as [`content_json`](Self::content_json), of about `max_bytes` bytes at most.
    ///
    /// # Errors
    /// [`JsonTooLarge`].
    pub fn content_json_within(&self, max_bytes: usize) -> Result<Value, JsonTooLarge> {
        let mut allowance = JsonAllowance::new(max_bytes);
        let txn = self.doc.transact();
        let mut content = Map::new();
        content.insert("ops".to_owned(), steps(&chunks(&self.text, &txn), &txn, &mut allowance)?);
        let mut others = Map::new();
        for (name, root) in txn.root_refs().filter(|(name, _)| *name != MARKS && *name != TEXT) {
            let Some(branch) = branch_of(&root) else { continue };
            if let Some(json) = root_json(branch, &txn, &mut allowance)? {
                others.insert(name.to_owned(), json);
            }
        }
        if !others.is_empty() {
            content.insert("roots".to_owned(), Value::Object(others));
        }
        Ok(Value::Object(content))
    }

    /// Returns the content of a root type as [`content_json`](Self::content_json) shows it. `None` if it has none.
    #[must_use]
    pub fn root_json(&self, name: &str) -> Option<Value> {
        self.root_json_within(name, usize::MAX).unwrap_or_default()
    }

    /// Returns the content of a root type as [`root_json`](Self::root_json), of about `max_bytes` bytes at most.
    ///
    /// # Errors
    /// [`JsonTooLarge`].
    pub fn root_json_within(
        &self,
        name: &str,
        max_bytes: usize,
    ) -> Result<Option<Value>, JsonTooLarge> {
        let mut allowance = JsonAllowance::new(max_bytes);
        let txn = self.doc.transact();
        if name == TEXT {
            if self.text.len(&txn) == 0 {
                return Ok(None);
            }
            return steps(&chunks(&self.text, &txn), &txn, &mut allowance).map(Some);
        }
        let root = txn.root_refs().find(|(root, _)| *root == name && *root != MARKS);
        match root.and_then(|(_, root)| branch_of(&root)) {
            Some(branch) => root_json(branch, &txn, &mut allowance),
            None => Ok(None),
        }
    }
}

/// Returns a root type, of which kind is not known, as JSON. `None` if it is empty.
pub(crate) fn root_json(
    branch: BranchPtr,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Option<Value>, JsonTooLarge> {
    let (map, text) = (MapRef::from(branch), TextRef::from(branch));
    match (map.len(txn), text.len(txn)) {
        (0, 0) => Ok(None),
        (_, 0) => map_json(&map, txn, allowance).map(Some),
        (0, _) => sequence_json(branch, txn, allowance).map(Some),
        _ => {
            let entries = map_json(&map, txn, allowance)?;
            let content = sequence_json(branch, txn, allowance)?;
            let both = [(ATTRIBUTES.to_owned(), entries), (CONTENT.to_owned(), content)];
            Ok(Some(Value::Object(both.into_iter().collect())))
        }
    }
}

/// Returns the sequence of a root type: the steps of a text, or a list.
fn sequence_json(
    branch: BranchPtr,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    let chunks = chunks(&TextRef::from(branch), txn);
    // The values of lists are no chunks of a text.
    if chunks.iter().any(|chunk| matches!(chunk.insert, Out::Any(_))) {
        return steps(&chunks, txn, allowance);
    }
    list_or_text_json(branch, txn, allowance)
}

/// Returns a list, or the text in it if its values cannot be read.
fn list_or_text_json(
    branch: BranchPtr,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    allowance.check_values(TextRef::from(branch).len(txn))?;
    match list_values(branch, txn) {
        Some(values) => list_json(values.into_iter(), txn, allowance),
        None => steps(&chunks(&TextRef::from(branch), txn), txn, allowance),
    }
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
fn steps(
    chunks: &[Diff<YChange>],
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    let mut steps = Vec::new();
    for chunk in chunks {
        let mut step = Map::new();
        step.insert("insert".to_owned(), shared_json(&chunk.insert, txn, allowance)?);
        if let Some(formats) = formats(chunk) {
            step.insert("attributes".to_owned(), formats_json(formats, allowance)?);
        }
        steps.push(Value::Object(step));
    }
    Ok(Value::Array(steps))
}

/// Returns formats as a JSON object.
pub(crate) fn formats_json(
    formats: &Attrs,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    let mut shown = Map::new();
    for (name, format) in formats {
        allowance.spend(name.len())?;
        shown.insert(name.to_string(), allowance.value(format)?);
    }
    Ok(Value::Object(shown))
}

fn formats(chunk: &Diff<YChange>) -> Option<&Attrs> {
    chunk.attributes.as_deref().filter(|formats| !formats.is_empty())
}

/// Returns a value or a shared type as JSON.
pub(crate) fn shared_json(
    shared: &Out,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    match shared {
        Out::Any(any) => allowance.value(any),
        Out::YText(text) => steps(&chunks(text, txn), txn, allowance),
        Out::YArray(list) => {
            list_or_text_json(BranchPtr::from(AsRef::<Branch>::as_ref(list)), txn, allowance)
        }
        Out::YMap(map) => map_json(map, txn, allowance),
        Out::YXmlElement(element) => {
            let mut node = Map::new();
            allowance.spend(element.tag().len())?;
            node.insert(TYPE.to_owned(), element.tag().to_string().into());
            // The iterator of the library ends at the first child that is no XML.
            let branch = BranchPtr::from(AsRef::<Branch>::as_ref(element));
            allowance.check_values(TextRef::from(branch).len(txn))?;
            let content = match list_values(branch, txn) {
                Some(children) => nodes(children.into_iter(), txn, allowance)?,
                None => nodes(element.children(txn), txn, allowance)?,
            };
            describe(&mut node, element.as_ref(), content, txn, allowance)?;
            Ok(Value::Object(node))
        }
        Out::YXmlFragment(fragment) => {
            list_or_text_json(BranchPtr::from(AsRef::<Branch>::as_ref(fragment)), txn, allowance)
        }
        Out::YXmlText(text) => {
            let mut node = Map::new();
            let content = text_nodes(text, txn, allowance)?;
            describe(&mut node, text.as_ref(), content, txn, allowance)?;
            Ok(Value::Object(node))
        }
        Out::YDoc(_) | Out::UndefinedRef(_) => Ok(Value::Null),
    }
}

fn list_json(
    values: impl Iterator<Item = Out>,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    Ok(Value::Array(nodes(values, txn, allowance)?))
}

fn map_json(
    map: &MapRef,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    let mut entries = Map::new();
    for (key, value) in map.iter(txn) {
        allowance.spend(key.len())?;
        entries.insert(key.to_owned(), shared_json(&value, txn, allowance)?);
    }
    Ok(Value::Object(entries))
}

/// Adds what a node of XML has: its attributes and its content, if there are any.
fn describe(
    node: &mut Map<String, Value>,
    xml: &Branch,
    content: Vec<Value>,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<(), JsonTooLarge> {
    let attributes = MapRef::from(BranchPtr::from(xml));
    if attributes.len(txn) > 0 {
        node.insert(ATTRIBUTES.to_owned(), map_json(&attributes, txn, allowance)?);
    }
    if !content.is_empty() {
        node.insert(CONTENT.to_owned(), Value::Array(content));
    }
    Ok(())
}

/// Returns the elements of a list. XML text becomes the pieces that it has, unless it has attributes, as in documents of Lexical.
fn nodes(
    values: impl Iterator<Item = impl Into<Node>>,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Vec<Value>, JsonTooLarge> {
    let mut nodes = Vec::new();
    for Node(shared) in values.map(Into::into) {
        match shared {
            Out::YXmlText(text)
                if MapRef::from(BranchPtr::from(AsRef::<Branch>::as_ref(&text))).len(txn) == 0 =>
            {
                nodes.extend(text_nodes(&text, txn, allowance)?);
            }
            shared => nodes.push(shared_json(&shared, txn, allowance)?),
        }
    }
    Ok(nodes)
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
fn text_nodes(
    text: &XmlTextRef,
    txn: &impl ReadTxn,
    allowance: &mut JsonAllowance,
) -> Result<Vec<Value>, JsonTooLarge> {
    let mut nodes = Vec::new();
    for chunk in chunks(text, txn) {
        let Out::Any(Any::String(piece)) = &chunk.insert else {
            nodes.push(shared_json(&chunk.insert, txn, allowance)?);
            continue;
        };
        let mut node = Map::new();
        node.insert(TYPE.to_owned(), "text".into());
        if let Some(formats) = formats(&chunk) {
            // The library keeps them in no order.
            let formats: BTreeMap<_, _> = formats.iter().collect();
            let marks = formats.into_iter().map(|(name, format)| mark(name, format, allowance));
            node.insert("marks".to_owned(), Value::Array(marks.collect::<Result<_, _>>()?));
        }
        allowance.spend(piece.len())?;
        node.insert("text".to_owned(), (**piece).into());
        nodes.push(Value::Object(node));
    }
    Ok(nodes)
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

fn mark(name: &str, format: &Any, allowance: &mut JsonAllowance) -> Result<Value, JsonTooLarge> {
    let kind = mark_kind(name);
    allowance.spend(kind.len())?;
    Ok(match allowance.value(format)? {
        Value::Object(attributes) if !attributes.is_empty() => {
            json!({ TYPE: kind, ATTRIBUTES: attributes })
        }
        _ => json!({ TYPE: kind }),
    })
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
