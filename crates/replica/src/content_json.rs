//! The content of a document as JSON, for those who take their data elsewhere.

use serde_json::{Map, Value};
use yrs::{
    Any, Array as _, ArrayRef, Map as _, MapRef, Out, ReadTxn, Text as _, TextRef, Transact as _,
    branch::{Branch, BranchPtr},
    types::{
        ToJson as _,
        text::{Diff, YChange},
    },
};

use super::replica::{MARKS, Replica, TEXT};

impl Replica {
    /// Returns the content: in `ops` the text in the Quill Delta format, with its formats and embedded objects, and in `roots` every
    /// other root type that has content. A map is an object; a list is a list, with XML elements as text; another text is a list of
    /// steps like `ops`.
    #[must_use]
    pub fn content_json(&self) -> Value {
        let txn = self.doc.transact();
        let mut content = Map::new();
        content.insert("ops".to_owned(), steps(&self.text.diff(&txn, YChange::identity), &txn));
        let others = txn.root_refs().filter(|(name, _)| *name != MARKS && *name != TEXT);
        let others = others.filter_map(|(name, root)| {
            let branch = match &root {
                Out::UndefinedRef(branch) => *branch,
                Out::YText(text) => BranchPtr::from(AsRef::<Branch>::as_ref(text)),
                _ => return None,
            };
            Some((name.to_owned(), root_json(branch, &txn)?))
        });
        let others: Map<String, Value> = others.collect();
        if !others.is_empty() {
            content.insert("roots".to_owned(), Value::Object(others));
        }
        Value::Object(content)
    }
}

/// Returns a root type, of which kind is not known, as JSON. `None` if it is empty.
fn root_json(branch: BranchPtr, txn: &impl ReadTxn) -> Option<Value> {
    let (map, text) = (MapRef::from(branch), TextRef::from(branch));
    match (map.len(txn), text.len(txn)) {
        (0, 0) => None,
        (_, 0) => Some(value(&map.to_json(txn))),
        _ => {
            let chunks = text.diff(txn, YChange::identity);
            let is_text = |chunk: &Diff<YChange>| matches!(chunk.insert, Out::Any(Any::String(_)));
            if chunks.iter().any(is_text) {
                return Some(steps(&chunks, txn));
            }
            let list = ArrayRef::from(branch);
            Some(Value::Array(list.iter(txn).map(|item| value(&item.to_json(txn))).collect()))
        }
    }
}

/// Returns the chunks of a text as steps that insert them.
fn steps(chunks: &[Diff<YChange>], txn: &impl ReadTxn) -> Value {
    let step = |chunk: &Diff<YChange>| {
        let mut step = Map::new();
        step.insert("insert".to_owned(), value(&chunk.insert.to_json(txn)));
        let attributes = chunk.attributes.as_deref().filter(|attributes| !attributes.is_empty());
        if let Some(attributes) = attributes {
            let attributes =
                attributes.iter().map(|(name, format)| (name.to_string(), value(format)));
            step.insert("attributes".to_owned(), Value::Object(attributes.collect()));
        }
        Value::Object(step)
    };
    Value::Array(chunks.iter().map(step).collect())
}

/// Returns a value of Yjs as JSON. One that JSON does not have is null.
fn value(any: &Any) -> Value {
    serde_json::to_value(any).unwrap_or_default()
}
