//! How much differs between two versions.

use yrs::{Map as _, MapRef, Out, ReadTxn, branch::BranchPtr};

use super::{Element, ElementSequence, Failure, ReadAllowance, What};
use crate::branches::{branch_of, entries};

/// How much differs between two versions, in all root types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// UTF-16 code units of text that only the later version has, also in new nodes.
    pub inserted_characters: u64,
    /// UTF-16 code units of text that only the earlier version has, also in deleted nodes.
    pub deleted_characters: u64,
    /// XML elements, embedded objects, values of lists and other shared types that only the later version has.
    pub inserted_nodes: u64,
    /// The same of the earlier version.
    pub deleted_nodes: u64,
    /// Entries of maps and attributes of nodes that were added, removed or changed.
    pub changed_entries: u64,
}

/// How much there is in an element or a shared type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ContentCounts {
    pub(super) characters: u64,
    pub(super) nodes: u64,
}

impl ContentCounts {
    /// Counts an element of a sequence, with everything in it.
    pub(super) fn of_element(
        element: &Element,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
    ) -> Result<Self, Failure> {
        let mut counts = Self::default();
        counts.add_element(element, txn, allowance)?;
        Ok(counts)
    }

    /// Counts what is in a value of a map. The value itself is an entry, not a node.
    pub(super) fn of_value(
        value: &Out,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
    ) -> Result<Self, Failure> {
        let mut counts = Self::default();
        if let Some(branch) = branch_of(value) {
            counts.add_content(branch, txn, allowance)?;
        }
        Ok(counts)
    }

    fn add_element(
        &mut self,
        element: &Element,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
    ) -> Result<(), Failure> {
        match &element.what {
            What::Text(_) => self.characters += u64::from(element.units()),
            What::Embed(_) | What::Value(_) => self.nodes += 1,
            What::Type(shared) => {
                self.nodes += u64::from(is_node(shared, txn));
                if let Some(branch) = branch_of(shared) {
                    self.add_content(branch, txn, allowance)?;
                }
            }
        }
        Ok(())
    }

    fn add_content(
        &mut self,
        branch: BranchPtr,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
    ) -> Result<(), Failure> {
        for value in entries(&MapRef::from(branch), txn).values() {
            if let Some(branch) = branch_of(value) {
                self.add_content(branch, txn, allowance)?;
            }
        }
        let sequence = ElementSequence::read(branch, txn, allowance)?;
        sequence.elements.iter().try_for_each(|element| self.add_element(element, txn, allowance))
    }
}

/// Whether a shared type counts as a node. The text of an XML element does not, unless it has attributes, as in documents of Lexical.
fn is_node(shared: &Out, txn: &impl ReadTxn) -> bool {
    match (shared, branch_of(shared)) {
        (Out::YXmlText(_), Some(branch)) => MapRef::from(branch).len(txn) > 0,
        _ => true,
    }
}
