//! Copying the content of a document into a new one without its past.
//!
//! Yjs never forgets a client, a deletion or the order of insertions. A copy has one client and one insertion for each piece of
//! content. It has a history mark of its own, so editors of the old document are told to load the new one.

use std::{collections::HashMap, sync::Arc};

use protocol::{domain::Content, wire::yjs::count_subdocuments};
use thiserror::Error;
use yrs::{
    Any, Array as _, ArrayRef, Map as _, MapRef, Out, ReadTxn, Text as _, TextRef, Transact as _,
    branch::BranchPtr,
    types::{
        AsPrelim as _, Delta as YjsStep, ToJson as _,
        text::{Diff, YChange},
    },
};

use super::{
    branches::branch_of,
    list_values::has_unreadable_list,
    marks::MARKS,
    replica::{Replica, TEXT},
    subdocuments::{SubdocumentPrelim, has_nested_subdocument},
};

/// The content of a root type is of a kind that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the content of the root type {name:?} cannot be copied")]
pub struct Uncopied {
    /// The name of the root type.
    pub name: String,
}

impl Replica {
    /// Returns a document with the same content and a new history: text with its formats and embedded objects, and other root
    /// types.
    ///
    /// # Errors
    /// [`Uncopied`]. Nothing is lost: this document is unchanged.
    pub fn compacted(&self) -> Result<Self, Uncopied> {
        let mut copy = Self::with_body("", self.named_body().as_deref());
        let has_subdocuments = count_subdocuments(&self.state()) > 0;
        let txn = self.doc.transact();
        for (name, root) in txn.root_refs().filter(|(name, _)| *name != MARKS) {
            let branch = branch_of(&root).ok_or_else(|| uncopied(name))?;
            if has_unreadable_list(&root, &txn) {
                return Err(uncopied(name));
            }
            // The library copies those in shared types as values, which are none.
            if has_subdocuments && has_nested_subdocument(branch, &txn) {
                return Err(uncopied(name));
            }
            copy.copy_root(name, branch, &txn)?;
        }
        copy.content = Content::from(&*copy.plain_text());
        if copy.content != self.content {
            return Err(uncopied(TEXT));
        }
        let state = copy.state();
        copy.measure(&state);
        Ok(copy)
    }

    /// Returns whether all content is in the text: there are no other root types with content.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let txn = self.doc.transact();
        txn.root_refs().filter(|(name, _)| *name != MARKS && *name != TEXT).all(|(_, root)| {
            let Some(branch) = branch_of(&root) else { return false };
            MapRef::from(branch).len(&txn) == 0 && TextRef::from(branch).len(&txn) == 0
        })
    }

    /// Returns whether a root type has content.
    #[must_use]
    pub fn has_content(&self) -> bool {
        let txn = self.doc.transact();
        txn.root_refs().filter(|(name, _)| *name != MARKS).any(|(_, root)| {
            let Some(branch) = branch_of(&root) else { return true };
            MapRef::from(branch).len(&txn) > 0 || TextRef::from(branch).len(&txn) > 0
        })
    }

    fn copy_root(&self, name: &str, branch: BranchPtr, txn: &impl ReadTxn) -> Result<(), Uncopied> {
        let (map, text) = (MapRef::from(branch), TextRef::from(branch));
        let length = text.len(txn);
        match (map.len(txn), length) {
            (0, 0) => Ok(()),
            (_, 0) => self.copy_map(name, &map, txn),
            (0, _) => self.copy_sequence(name, &text, &ArrayRef::from(branch), txn),
            _ => Err(uncopied(name)),
        }
    }

    fn copy_map(&self, name: &str, from: &MapRef, txn: &impl ReadTxn) -> Result<(), Uncopied> {
        let to = self.doc.get_or_insert_map(name);
        let mut copy = self.doc.transact_mut();
        for (key, value) in from.iter(txn) {
            match subdocument_of(&value) {
                Some(subdocument) => drop(to.insert(&mut copy, key, subdocument)),
                None => drop(to.insert(&mut copy, key, value.as_prelim(txn))),
            }
        }
        expect_same(name, &to.to_json(&copy), &from.to_json(txn))
    }

    /// Copies a text, or, if not everything in it is text, formats and embedded objects, an array. What kind a root type has is
    /// not known otherwise.
    fn copy_sequence(
        &self,
        name: &str,
        text: &TextRef,
        array: &ArrayRef,
        txn: &impl ReadTxn,
    ) -> Result<(), Uncopied> {
        let chunks = text.diff(txn, YChange::identity);
        let length = |insert: &Out| match insert {
            Out::Any(Any::String(text)) => text.encode_utf16().count(),
            _ => 1,
        };
        let has_text = chunks.iter().any(|chunk| matches!(chunk.insert, Out::Any(Any::String(_))));
        let in_text: usize = chunks.iter().map(|chunk| length(&chunk.insert)).sum();
        if in_text == text.len(txn) as usize {
            let to = self.doc.get_or_insert_text(name);
            let old = pieces(&chunks, txn);
            let steps = chunks.into_iter();
            let steps =
                steps.map(|chunk| YjsStep::Inserted(chunk.insert.as_prelim(txn), chunk.attributes));
            let mut copy = self.doc.transact_mut();
            to.apply_delta(&mut copy, steps.collect::<Vec<_>>());
            return expect_same(name, &pieces(&to.diff(&copy, YChange::identity), &copy), &old);
        }
        if has_text || name == TEXT {
            return Err(uncopied(name));
        }
        let to = self.doc.get_or_insert_array(name);
        let mut copy = self.doc.transact_mut();
        for value in array.iter(txn) {
            match subdocument_of(&value) {
                Some(subdocument) => drop(to.push_back(&mut copy, subdocument)),
                None => drop(to.push_back(&mut copy, value.as_prelim(txn))),
            }
        }
        expect_same(name, &to.to_json(&copy), &array.to_json(txn))
    }
}

fn subdocument_of(value: &Out) -> Option<SubdocumentPrelim> {
    match value {
        Out::Any(value) => SubdocumentPrelim::of(value),
        _ => None,
    }
}

/// What a chunk of a text inserts, and its formats.
type Piece = (Any, Option<HashMap<Arc<str>, Any>>);

fn pieces(chunks: &[Diff<YChange>], txn: &impl ReadTxn) -> Vec<Piece> {
    let piece = |chunk: &Diff<YChange>| {
        let attributes = chunk.attributes.as_deref().filter(|attributes| !attributes.is_empty());
        (chunk.insert.to_json(txn), attributes.cloned())
    };
    chunks.iter().map(piece).collect()
}

fn expect_same<T: PartialEq>(name: &str, copy: &T, original: &T) -> Result<(), Uncopied> {
    if copy == original { Ok(()) } else { Err(uncopied(name)) }
}

fn uncopied(name: &str) -> Uncopied {
    Uncopied { name: name.to_owned() }
}
