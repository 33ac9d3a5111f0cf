//! The names of marks in a document.

use std::{collections::HashMap, sync::Arc};

use protocol::domain::Exhausted;
use yrs::Any;

use super::{
    digests::Digests,
    node::{BodyContent, BodyEntry, BodyNode, BodyPiece},
};
use crate::content_json::mark_kind;

/// The number of no attributes.
pub(super) const NO_ATTRIBUTES: u64 = 0;

/// The names under which the document has its marks. The binding of ProseMirror appends a hash to the names of marks that may overlap
/// with others of their kind, which JSON does not show.
pub(super) struct MarkNames<'a> {
    names: HashMap<(String, u64), (Arc<str>, Any)>,
    digests: &'a Digests,
}

impl<'a> MarkNames<'a> {
    /// Returns the names of a document without marks.
    pub(super) fn none(digests: &'a Digests) -> Self {
        Self { names: HashMap::new(), digests }
    }

    /// Returns the names in a node.
    ///
    /// # Errors
    /// The budget ended.
    pub(super) fn of(node: &BodyNode, digests: &'a Digests) -> Result<Self, Exhausted> {
        let mut names = Self::none(digests);
        names.add(node)?;
        Ok(names)
    }

    fn add(&mut self, node: &BodyNode) -> Result<(), Exhausted> {
        for BodyPiece { what, formats } in &node.pieces {
            for (name, value) in formats.iter() {
                let attributes = match has_attributes(value) {
                    true => self.digests.of_value(value)?,
                    false => NO_ATTRIBUTES,
                };
                let key = (mark_kind(name).to_owned(), attributes);
                self.names.entry(key).or_insert_with(|| (Arc::clone(name), value.clone()));
            }
            if let BodyContent::Node(node) = what {
                self.add(node)?;
            }
        }
        for entry in node.entries.values() {
            if let BodyEntry::Node(node) = entry {
                self.add(node)?;
            }
        }
        Ok(())
    }

    /// Returns the name and the value under which the document has a mark that a client has sent.
    pub(super) fn find(&self, kind: &str, value: &Any) -> Option<(Arc<str>, Any)> {
        if self.names.is_empty() {
            return None;
        }
        let attributes = match has_attributes(value) {
            true => self.digests.of_given(value),
            false => NO_ATTRIBUTES,
        };
        self.names.get(&(kind.to_owned(), attributes)).cloned()
    }
}

/// Whether JSON shows attributes of a mark: those that are an object with entries.
pub(super) fn has_attributes(value: &Any) -> bool {
    matches!(value, Any::Map(entries) if !entries.is_empty())
}
