//! Writes what differs between a shared type and its earlier content.

use yrs::{Map as _, MapRef, Out, Transaction, TransactionMut, branch::BranchPtr};

use super::{RestoreError, blank::blank, sequence_writer::SequenceWriter};
use crate::{
    branches::{branch_of, entries},
    comparison::{Element, ElementSequence, Failure, What, identity_of, is_same_kind},
    subdocuments::SubdocumentPrelim,
};

impl Failure {
    pub(crate) fn in_root(self, name: &str) -> RestoreError {
        match self {
            Self::Unsupported => RestoreError::Unrestorable { name: name.to_owned() },
            Self::Exhausted(exhausted) => exhausted.into(),
        }
    }
}

/// Writes into a document what an earlier version of it had.
pub(super) struct Writer<'a, 'doc> {
    pub(super) sequences: SequenceWriter<'a, 'doc>,
    /// The earlier version.
    pub(super) then: &'a Transaction<'a>,
}

impl Writer<'_, '_> {
    /// Gives a shared type the content that `then` has in the earlier version. Shared types nest 128 deep at most.
    pub(super) fn restore(&mut self, present: BranchPtr, then: BranchPtr) -> Result<(), Failure> {
        self.restore_entries(MapRef::from(present), MapRef::from(then))?;
        self.restore_sequence(present, then)
    }

    /// Restores the entries of a map, or the attributes of an XML element.
    fn restore_entries(&mut self, present: MapRef, then: MapRef) -> Result<(), Failure> {
        let old = entries(&present, self.sequences.txn);
        let new = entries(&then, self.then);
        self.sequences.until.budget.spend(old.len() + new.len())?;
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            present.remove(self.sequences.txn, key);
        }
        for (key, value) in new {
            let is_same = old.get(&key).is_some_and(|old| identity_of(old) == identity_of(&value));
            let kept = match old.get(&key) {
                Some(old) if is_same => old.clone(),
                _ => insert_entry(&present, self.sequences.txn, key, &value)?,
            };
            self.restore_type(&kept, &value)?;
        }
        Ok(())
    }

    fn restore_sequence(&mut self, present: BranchPtr, then: BranchPtr) -> Result<(), Failure> {
        let new = ElementSequence::read(then, self.then, &mut self.sequences.allowance)?;
        let written = self.sequences.write_sequence(present, &new)?;
        self.restore_nested(&written, &new.elements)
    }

    /// Restores the shared types in a sequence that was written.
    fn restore_nested(&mut self, written: &[Element], then: &[Element]) -> Result<(), Failure> {
        let types = |elements: &[Element]| -> Vec<Out> {
            let shared = elements.iter().filter_map(|element| match &element.what {
                What::Type(shared) => Some(shared.clone()),
                What::Text(_) | What::Embed(_) | What::Value(_) => None,
            });
            shared.collect()
        };
        let types = types(written).into_iter().zip(types(then));
        for (written, then) in types {
            self.restore_type(&written, &then)?;
        }
        Ok(())
    }

    /// Restores the content of a shared type. Values have none.
    fn restore_type(&mut self, present: &Out, then: &Out) -> Result<(), Failure> {
        match (branch_of(present), branch_of(then)) {
            (Some(_), Some(_)) if !is_same_kind(present, then) => Err(Failure::Unsupported),
            (Some(present), Some(then)) => self.restore(present, then),
            (None, None) => Ok(()),
            _ => Err(Failure::Unsupported),
        }
    }
}

/// Inserts an entry into a map: a value as it is, or an empty shared type. Returns what the map has then.
fn insert_entry(
    map: &MapRef,
    txn: &mut TransactionMut<'_>,
    key: String,
    value: &Out,
) -> Result<Out, Failure> {
    if let Out::Any(any) = value
        && let Some(subdocument) = SubdocumentPrelim::of(any)
    {
        map.insert(txn, key, subdocument);
        return Ok(value.clone());
    }
    Ok(map.insert(txn, key, blank(value)?))
}
