//! The values of a sequence that is read as a list.

use yrs::{
    Array as _, ArrayRef, GetString as _, Map as _, MapRef, Out, ReadTxn, Text as _, TextRef,
    branch::BranchPtr, types::text::YChange,
};

use super::branches::branch_of;

/// Returns the values of a list. `None` if the sequence has text with characters of two UTF-16 code units, such as emoji: the library
/// counts two values for each of them, reads one, and looks for the other for ever. No editor writes text into a list, but one page may
/// use a root type as a text that another one uses as a list.
pub(crate) fn list_values(branch: BranchPtr, txn: &impl ReadTxn) -> Option<Vec<Out>> {
    is_readable(branch, txn).then(|| ArrayRef::from(branch).iter(txn).collect())
}

/// Whether the values of a list can be read.
pub(crate) fn is_readable(branch: BranchPtr, txn: &impl ReadTxn) -> bool {
    let text = TextRef::from(branch).get_string(txn);
    text.chars().all(|character| character.len_utf16() == 1)
}

/// Whether a list that cannot be read is in a shared type, at any depth.
pub(crate) fn has_unreadable_list(shared: &Out, txn: &impl ReadTxn) -> bool {
    let Some(branch) = branch_of(shared) else { return false };
    if matches!(shared, Out::YArray(_)) && !is_readable(branch, txn) {
        return true;
    }
    let chunks = TextRef::from(branch).diff(txn, YChange::identity);
    let in_sequence = chunks.iter().map(|chunk| &chunk.insert);
    let entries: Vec<Out> = MapRef::from(branch).iter(txn).map(|(_key, value)| value).collect();
    in_sequence.chain(&entries).any(|inner| has_unreadable_list(inner, txn))
}

#[cfg(test)]
#[path = "list_values_tests.rs"]
mod tests;
