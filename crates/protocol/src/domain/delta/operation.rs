//! Deltas and their steps, in normal form.

use super::{EmbeddedObject, TextFormats};

/// One step of a delta.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// Skips this number of UTF-16 code units, at least 1, and gives them these formats.
    Retain(usize, TextFormats),
    /// Inserts a text that is not empty, with these formats and no others.
    Insert(String, TextFormats),
    /// Inserts an object of the length 1, with these formats and no others.
    Embed(EmbeddedObject, TextFormats),
    /// Deletes this number of UTF-16 code units, at least 1.
    Delete(usize),
}

/// A change of a text with its formats, in normal form, so deltas with the same steps are equal. An empty delta changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Delta {
    ops: Vec<Op>,
}

impl Op {
    /// Returns the length in the text before the change, in UTF-16 code units.
    #[must_use]
    pub fn old_units(&self) -> usize {
        match self {
            Self::Retain(units, _) | Self::Delete(units) => *units,
            Self::Insert(..) | Self::Embed(..) => 0,
        }
    }

    /// Estimates the size of its formats and its object as JSON, in bytes.
    fn rich_bytes(&self) -> usize {
        match self {
            Self::Retain(_, formats) | Self::Insert(_, formats) => formats.bytes(),
            Self::Embed(object, formats) => object.bytes() + formats.bytes(),
            Self::Delete(_) => 0,
        }
    }
}

impl Delta {
    /// The most bytes of JSON of the formats and embedded objects of an edit. A format of a long text may be repeated in many steps.
    pub const MAX_RICH_BYTES: usize = 1024 * 1024;

    /// Returns the delta that inserts `text` into an empty text.
    #[must_use]
    pub fn insertion(text: &str) -> Self {
        let mut delta = Self::default();
        delta.insert(text, &TextFormats::default());
        delta
    }

    /// Returns the steps, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns the minimum length of a text that this delta fits, in UTF-16 code units.
    #[must_use]
    pub fn reach(&self) -> usize {
        self.ops.iter().map(Op::old_units).sum()
    }

    /// Returns whether `predicate` holds for an inserted text.
    pub fn inserts(&self, predicate: impl Fn(&str) -> bool) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Insert(text, _) if predicate(text)))
    }

    /// Estimates the size of its formats and embedded objects as JSON, in bytes. 0 for a change of plain text.
    #[must_use]
    pub fn rich_bytes(&self) -> usize {
        self.ops.iter().map(Op::rich_bytes).sum()
    }

    /// Estimates the size of the largest formats of a step as JSON, in bytes. Transformed over many steps, they are repeated as often.
    #[must_use]
    pub fn max_format_bytes(&self) -> usize {
        let bytes = |op: &Op| match op {
            Op::Retain(_, formats) => formats.bytes(),
            Op::Insert(..) | Op::Embed(..) | Op::Delete(_) => 0,
        };
        self.ops.iter().map(bytes).max().unwrap_or(0)
    }

    /// Estimates its memory use in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let weight = |op: &Op| {
            let text = if let Op::Insert(text, _) = op { text.len() } else { 0 };
            size_of::<Op>() + text + op.rich_bytes()
        };
        self.ops.iter().map(weight).sum()
    }

    /// Appends a retain of `units`, which may be 0, with these formats.
    pub(super) fn retain(&mut self, units: usize, formats: &TextFormats) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Retain(last, same)) if *same == *formats => *last += units,
            _ => self.ops.push(Op::Retain(units, formats.clone())),
        }
    }

    /// Appends an insertion of `text`, which may be empty, with these formats. Puts it before a deletion at the same offset.
    pub(super) fn insert(&mut self, text: &str, formats: &TextFormats) {
        if text.is_empty() {
            return;
        }
        let end = self.end_of_insertions();
        match end.checked_sub(1).and_then(|last| self.ops.get_mut(last)) {
            Some(Op::Insert(last, same)) if *same == *formats => last.push_str(text),
            _ => self.ops.insert(end, Op::Insert(text.to_owned(), formats.clone())),
        }
    }

    /// Appends an insertion of an object with these formats. Puts it before a deletion at the same offset.
    pub(super) fn embed(&mut self, object: &EmbeddedObject, formats: &TextFormats) {
        let end = self.end_of_insertions();
        self.ops.insert(end, Op::Embed(object.clone(), formats.clone()));
    }

    /// Returns the index of the next insertion.
    fn end_of_insertions(&self) -> usize {
        self.ops.len() - usize::from(matches!(self.ops.last(), Some(Op::Delete(_))))
    }

    /// Appends a deletion of `units`, which may be 0.
    pub(super) fn delete(&mut self, units: usize) {
        match self.ops.last_mut() {
            _ if units == 0 => {}
            Some(Op::Delete(last)) => *last += units,
            _ => self.ops.push(Op::Delete(units)),
        }
    }

    /// Removes a retain without formats at the end.
    pub(super) fn trimmed(mut self) -> Self {
        if matches!(self.ops.last(), Some(Op::Retain(_, formats)) if formats.is_empty()) {
            self.ops.pop();
        }
        self
    }
}

/// Returns the length of a text in UTF-16 code units.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
