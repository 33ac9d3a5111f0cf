//! One element of a sequence: a piece of text, an embedded object, a value of a list, or a shared type.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use yrs::{Any, Out, branch::BranchID, types::Attrs};

use crate::branches::branch_of;

/// One element of a sequence.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) what: What,
    /// The formats of text and of what is embedded in it.
    pub(crate) formats: Arc<Attrs>,
}

/// What an element is.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Text(TextPiece),
    /// An object in a text.
    Embed(Any),
    /// A value of a list.
    Value(Any),
    /// A shared type.
    Type(Out),
}

/// A part of a chunk of text. A text has many of them, so they share the chunk.
#[derive(Debug, Clone)]
pub(crate) struct TextPiece {
    chunk: Arc<str>,
    bytes: Range<usize>,
}

impl TextPiece {
    /// Returns a whole chunk.
    pub(crate) fn whole(chunk: Arc<str>) -> Self {
        Self { bytes: 0..chunk.len(), chunk }
    }

    pub(crate) fn text(&self) -> &str {
        &self.chunk[self.bytes.clone()]
    }

    /// Splits it into these parts, which are consecutive.
    pub(crate) fn parts<'a>(
        &'a self,
        parts: impl Iterator<Item = &'a str> + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        let mut from = self.bytes.start;
        parts.map(move |part| {
            let bytes = from..from + part.len();
            from = bytes.end;
            Self { chunk: Arc::clone(&self.chunk), bytes }
        })
    }

    /// Splits it in two, before this byte.
    pub(crate) fn split_at(&self, byte: usize) -> [Self; 2] {
        let at = self.bytes.start + byte;
        [self.bytes.start..at, at..self.bytes.end]
            .map(|bytes| Self { chunk: Arc::clone(&self.chunk), bytes })
    }
}

/// What tells elements apart. Shared types are the same if they are the same item of Yjs, all others if they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ElementIdentity<'a> {
    Text(&'a str),
    Embed(String),
    Value(String),
    /// The client and the clock.
    Type(u64, u32),
}

impl Element {
    /// The length in a text: in UTF-16 code units.
    pub(crate) fn units(&self) -> u32 {
        let units = match &self.what {
            What::Text(piece) => piece.text().encode_utf16().count(),
            What::Embed(_) | What::Value(_) | What::Type(_) => 1,
        };
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    pub(crate) fn identity(&self) -> ElementIdentity<'_> {
        match &self.what {
            What::Text(piece) => ElementIdentity::Text(piece.text()),
            What::Embed(value) => ElementIdentity::Embed(canonical(value)),
            What::Value(value) => ElementIdentity::Value(canonical(value)),
            What::Type(shared) => type_identity(shared),
        }
    }
}

/// Returns the identity of the value of a map.
pub(crate) fn identity_of(value: &Out) -> ElementIdentity<'static> {
    match value {
        Out::Any(value) => ElementIdentity::Value(canonical(value)),
        shared => type_identity(shared),
    }
}

fn type_identity(shared: &Out) -> ElementIdentity<'static> {
    match branch_of(shared).map(|branch| branch.id()) {
        Some(BranchID::Nested(id)) => ElementIdentity::Type(id.client.get(), id.clock),
        // Neither is an element of anything.
        Some(BranchID::Root(name)) => ElementIdentity::Value(name.to_string()),
        None => ElementIdentity::Value(String::new()),
    }
}

/// Returns whether two shared types are of the same kind, with the same name if they have one.
pub(crate) fn is_same_kind(one: &Out, other: &Out) -> bool {
    match (one, other) {
        (Out::YXmlElement(one), Out::YXmlElement(other)) => one.tag() == other.tag(),
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// Writes a value so that equal values have the same text.
fn canonical(value: &Any) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Any, text: &mut String) {
    match value {
        Any::Array(values) => {
            text.push('[');
            for value in values.iter() {
                write_canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        Any::Map(entries) => {
            text.push('{');
            for (key, value) in entries.iter().collect::<BTreeMap<_, _>>() {
                text.push_str(&format!("{key:?}:"));
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        value => text.push_str(&format!("{value:?}")),
    }
}
