//! Writes what differs between a shared type and a node of a tree.

use std::sync::Arc;

use protocol::domain::CompareUntil;
use yrs::{
    Any, Array as _, ArrayRef, Doc, Map as _, MapRef, Out, Transact as _, TransactionMut,
    branch::BranchPtr, types::text::Diff,
};

use super::{
    digests::Digests,
    hidden_texts::{has_texts_only, with_hidden_texts},
    node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece},
    pairs::pairs,
    plain::plain,
    unchanged::with_unchanged,
};
use crate::{
    branches::branch_of,
    comparison::{Element, ElementSequence, Failure, ReadAllowance, What, Writing, text_elements},
    restoration::SequenceWriter,
};

/// Writes nodes into a document.
pub(super) struct BodyUpdate<'a, 'doc> {
    sequences: SequenceWriter<'a, 'doc>,
    digests: &'a Digests,
    /// Empty types, which stand for those that are to be inserted.
    templates: Doc,
}

impl<'a, 'doc> BodyUpdate<'a, 'doc> {
    pub(super) fn new(
        txn: &'a mut TransactionMut<'doc>,
        until: &'a CompareUntil,
        allowance: ReadAllowance,
        digests: &'a Digests,
    ) -> Self {
        let sequences = SequenceWriter { txn, until, allowance };
        Self { sequences, digests, templates: Doc::new() }
    }

    /// Gives a shared type, whose content is `old`, the content of `new`.
    ///
    /// # Errors
    /// The content cannot be written, or the budget ended.
    pub(super) fn update(
        &mut self,
        branch: BranchPtr,
        old: &BodyNode,
        new: &BodyNode,
    ) -> Result<(), Failure> {
        if old.is_same(new) {
            return Ok(());
        }
        self.update_entries(&MapRef::from(branch), old, new)?;
        match old.has_same_pieces(new) {
            true => Ok(()),
            false => self.update_pieces(branch, old, new),
        }
    }

    /// As [`update`](Self::update), for a root type that becomes one of another kind, whose JSON may be the same.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub(super) fn convert(
        &mut self,
        branch: BranchPtr,
        old: &BodyNode,
        new: &BodyNode,
    ) -> Result<(), Failure> {
        self.update_entries(&MapRef::from(branch), old, new)?;
        self.update_pieces(branch, old, new)
    }

    fn update_pieces(
        &mut self,
        branch: BranchPtr,
        old: &BodyNode,
        new: &BodyNode,
    ) -> Result<(), Failure> {
        let new = with_unchanged(old, new, self.digests, self.sequences.until)?;
        let new = with_hidden_texts(old, &new, self.sequences.until)?;
        self.update_sequence(branch, old, &new)
    }

    fn update_entries(
        &mut self,
        map: &MapRef,
        old: &BodyNode,
        new: &BodyNode,
    ) -> Result<(), Failure> {
        self.sequences.until.budget.spend(old.entries.len() + new.entries.len())?;
        let is_gone = |key: &&String| !new.entries.contains_key(*key) && old.is_shown(key);
        for key in old.entries.keys().filter(is_gone) {
            map.remove(self.sequences.txn, key);
        }
        for (key, new) in &new.entries {
            let old = old.entries.get(key);
            let number = old.map(|old| old.number(self.digests)).transpose()?;
            if number == Some(new.number(self.digests)?) {
                continue;
            }
            match (old, new) {
                (_, BodyEntry::Value(new)) => {
                    map.insert(self.sequences.txn, key.as_str(), new.clone());
                }
                // Others of its kind are shared types, but not this one.
                (Some(BodyEntry::Value(_)), BodyEntry::Node(new)) if let Some(new) = plain(new) => {
                    map.insert(self.sequences.txn, key.as_str(), new);
                }
                (Some(BodyEntry::Node(old)), BodyEntry::Node(new)) if old.kind == new.kind => {
                    let kept = map.get(self.sequences.txn, key);
                    let kept = kept.as_ref().and_then(branch_of).ok_or(Failure::Unsupported)?;
                    self.update(kept, old, new)?;
                }
                (_, BodyEntry::Node(new)) => {
                    let inserted = map.insert(self.sequences.txn, key.as_str(), new.kind.blank());
                    self.fill(&inserted, new)?;
                }
            }
        }
        Ok(())
    }

    fn update_sequence(
        &mut self,
        branch: BranchPtr,
        old: &BodyNode,
        new: &BodyNode,
    ) -> Result<(), Failure> {
        let SequenceWriter { txn, until, allowance } = &mut self.sequences;
        let present = types(&ElementSequence::read(branch, *txn, allowance)?.elements);
        let (old_nodes, new_nodes) = (old.children(), new.children());
        if present.len() != old_nodes.len() {
            return Err(Failure::Unsupported);
        }
        let is_divided = old.pieces.len() == new.pieces.len();
        let pairs = match is_divided && has_texts_only(old) && has_texts_only(new) {
            true => (0..new_nodes.len()).map(Some).collect(),
            false => pairs(&old_nodes, &new_nodes, until)?,
        };
        let mut standing = Vec::with_capacity(new_nodes.len());
        for (node, pair) in new_nodes.iter().zip(&pairs) {
            standing.push(match pair.and_then(|old| present.get(old)) {
                Some(kept) => kept.clone(),
                None => self.template(&node.kind),
            });
        }
        let sequence = self.sequence(&new.pieces, standing)?;
        let written = types(&self.sequences.write_sequence(branch, &sequence)?);
        if written.len() != new_nodes.len() {
            return Err(Failure::Unsupported);
        }
        for ((written, new), pair) in written.iter().zip(new_nodes).zip(pairs) {
            match (pair.and_then(|old| old_nodes.get(old)), branch_of(written)) {
                (Some(old), Some(branch)) => self.update(branch, old, new)?,
                _ => self.fill(written, new)?,
            }
        }
        Ok(())
    }

    /// Gives an empty shared type the content of a node.
    fn fill(&mut self, blank: &Out, node: &BodyNode) -> Result<(), Failure> {
        let branch = branch_of(blank).ok_or(Failure::Unsupported)?;
        let nothing = BodyNode::new(node.kind.clone());
        self.update_entries(&MapRef::from(branch), &nothing, node)?;
        match node.pieces.is_empty() {
            true => Ok(()),
            false => self.update_sequence(branch, &nothing, node),
        }
    }

    /// Returns the pieces as elements. `standing` are the types that stand for the nodes.
    fn sequence(
        &mut self,
        pieces: &[BodyPiece],
        standing: Vec<Out>,
    ) -> Result<ElementSequence, Failure> {
        let mut standing = standing.into_iter();
        let mut elements = Vec::with_capacity(pieces.len());
        let mut writing = Writing::Text;
        for BodyPiece { what, formats } in pieces {
            let element = |what| Element { what, formats: Arc::clone(formats) };
            match what {
                BodyContent::Text(text) => {
                    let formats = Some(Box::new((**formats).clone()));
                    let chunk = Diff::new(Out::Any(Any::from(text.as_str())), formats);
                    elements.extend(text_elements(vec![chunk], &mut self.sequences.allowance)?);
                }
                BodyContent::Embed(value) => elements.push(element(What::Embed(value.clone()))),
                BodyContent::Value(value) => {
                    writing = Writing::List;
                    elements.push(element(What::Value(value.clone())));
                }
                BodyContent::Node(_) => {
                    let shared = standing.next().ok_or(Failure::Unsupported)?;
                    elements.push(element(What::Type(shared)));
                }
            }
        }
        Ok(ElementSequence { elements, writing })
    }

    /// Returns an empty type of a kind, which is in no document of a user.
    fn template(&mut self, kind: &BodyNodeKind) -> Out {
        let templates: ArrayRef = self.templates.get_or_insert_array("templates");
        let mut txn = self.templates.transact_mut();
        templates.insert(&mut txn, 0, kind.blank())
    }
}

fn types(elements: &[Element]) -> Vec<Out> {
    let shared = elements.iter().filter_map(|element| match &element.what {
        What::Type(shared) => Some(shared.clone()),
        What::Text(_) | What::Embed(_) | What::Value(_) => None,
    });
    shared.collect()
}
