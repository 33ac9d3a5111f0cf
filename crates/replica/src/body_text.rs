//! The plain text of the body of a document, whatever its type.
//!
//! The text of the root type `content` has U+FFFC in place of an embedded object, because deltas count it. In other root types, a node
//! that has text of its own is a block, with the text of the nodes in it, and blocks are joined by line feeds. Embedded objects, attributes
//! and the values of maps and lists leave no character. There is no schema, so a node without text leaves none either: an empty
//! paragraph looks like an image.

use std::sync::Arc;

use yrs::{
    Any, Map as _, MapRef, Out, ReadTxn, Text as _, TextRef, Transact as _, types::text::YChange,
};

use super::{
    branches::branch_of,
    replica::{Replica, TEXT},
};

/// The kinds of nodes that break a line: of Tiptap and BlockNote, of the basic schema of ProseMirror, and of Lexical.
const LINE_BREAKS: [&str; 3] = ["hardBreak", "hard_break", "linebreak"];

/// The entry with the kind of a node of Lexical.
const LEXICAL_KIND: &str = "__type";

impl Replica {
    /// Returns the plain text of the body, which is the root type that [`body_root`](Self::body_root) names. `None` if it has more
    /// than `max_bytes` bytes.
    #[must_use]
    pub fn body_text(&self, max_bytes: usize) -> Option<String> {
        let (text, name) = (self.content(), self.body_root());
        if name == TEXT {
            return (text.bytes() <= max_bytes).then(|| text.to_string());
        }
        let txn = self.doc.transact();
        let root = txn.root_refs().find(|(root, _)| *root == name).map(|(_, root)| root);
        let mut blocks = BlockWriter { txn: &txn, text: String::new(), is_first: true, max_bytes };
        if let Some(root) = root {
            blocks.write_root(&root);
        }
        (!blocks.is_full()).then_some(blocks.text)
    }
}

/// Writes blocks of text until there are too many bytes.
struct BlockWriter<'a, T> {
    txn: &'a T,
    text: String,
    is_first: bool,
    max_bytes: usize,
}

/// A part of the sequence of a shared type.
enum TextPart {
    Text(Arc<str>),
    LineBreak,
    Type(Out),
}

impl<T: ReadTxn> BlockWriter<'_, T> {
    fn is_full(&self) -> bool {
        self.text.len() > self.max_bytes
    }

    /// Writes a root type, of which kind is not known. One without a sequence is a map.
    fn write_root(&mut self, root: &Out) {
        let Some(branch) = branch_of(root) else { return };
        match TextRef::from(branch).len(self.txn) {
            0 => self.write_entries(&MapRef::from(branch)),
            _ => self.write(root),
        }
    }

    /// Writes a shared type as a block if it has text of its own, and otherwise the blocks in it.
    fn write(&mut self, shared: &Out) {
        if self.is_full() {
            return;
        }
        if let Out::YMap(map) = shared {
            return self.write_entries(map);
        }
        let parts = parts_of(shared, self.txn);
        if parts.iter().any(|part| matches!(part, TextPart::Text(_))) {
            if !self.is_first {
                self.text.push('\n');
            }
            self.is_first = false;
            return self.write_line(parts);
        }
        for part in parts {
            if let TextPart::Type(inner) = part {
                self.write(&inner);
            }
        }
    }

    /// Writes the shared types in a map, in the order of their keys.
    fn write_entries(&mut self, map: &MapRef) {
        let mut entries: Vec<_> = map.iter(self.txn).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        for (_key, value) in entries {
            self.write(&value);
        }
    }

    /// Writes all text in the parts, without beginning a block.
    fn write_line(&mut self, parts: Vec<TextPart>) {
        for part in parts {
            match part {
                TextPart::Text(text) => self.text.push_str(&text),
                TextPart::LineBreak => self.text.push('\n'),
                TextPart::Type(inner) => self.write_line(parts_of(&inner, self.txn)),
            }
        }
    }
}

/// Returns the parts of a shared type that may have text. The text in an XML element is text of its own, unless it has attributes:
/// then it is a node, as in documents of Lexical.
fn parts_of(shared: &Out, txn: &impl ReadTxn) -> Vec<TextPart> {
    let Some(branch) = branch_of(shared) else { return vec![] };
    let mut parts = Vec::new();
    for chunk in TextRef::from(branch).diff(txn, YChange::identity) {
        match chunk.insert {
            Out::Any(Any::String(text)) if !text.is_empty() => parts.push(TextPart::Text(text)),
            Out::Any(_) | Out::YDoc(_) => {}
            inner if is_line_break(&inner, txn) => parts.push(TextPart::LineBreak),
            inner if matches!(shared, Out::YXmlElement(_)) && is_bare_text(&inner, txn) => {
                parts.extend(parts_of(&inner, txn));
            }
            inner => parts.push(TextPart::Type(inner)),
        }
    }
    parts
}

fn is_bare_text(shared: &Out, txn: &impl ReadTxn) -> bool {
    let has_attributes =
        || branch_of(shared).is_some_and(|branch| MapRef::from(branch).len(txn) > 0);
    matches!(shared, Out::YXmlText(_)) && !has_attributes()
}

fn is_line_break(shared: &Out, txn: &impl ReadTxn) -> bool {
    match shared {
        Out::YXmlElement(element) => {
            let kind: &str = element.tag();
            LINE_BREAKS.contains(&kind)
        }
        Out::YMap(map) => match map.get(txn, LEXICAL_KIND) {
            Some(Out::Any(Any::String(kind))) => LINE_BREAKS.contains(&&*kind),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
#[path = "body_text_tests.rs"]
mod tests;
