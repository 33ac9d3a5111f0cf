//! The branches of shared types: what the library keeps of them, whatever their kind.

use std::collections::{BTreeMap, BTreeSet};

use yrs::{
    Map as _, MapRef, Out, ReadTxn, Transact as _,
    branch::{Branch, BranchPtr},
};

use super::{marks::MARKS, replica::Replica};

/// Returns the branch of a shared type. `None` for a value, and for a document within the document.
pub(crate) fn branch_of(shared: &Out) -> Option<BranchPtr> {
    let branch: &Branch = match shared {
        Out::YText(text) => text.as_ref(),
        Out::YArray(array) => array.as_ref(),
        Out::YMap(map) => map.as_ref(),
        Out::YXmlElement(element) => element.as_ref(),
        Out::YXmlFragment(fragment) => fragment.as_ref(),
        Out::YXmlText(text) => text.as_ref(),
        Out::UndefinedRef(branch) => return Some(*branch),
        Out::Any(_) | Out::YDoc(_) => return None,
    };
    Some(BranchPtr::from(branch))
}

/// Returns the entries of a map, or the attributes of an XML element.
pub(crate) fn entries(map: &MapRef, txn: &impl ReadTxn) -> BTreeMap<String, Out> {
    map.iter(txn).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A root type in two documents.
pub(crate) struct RootPair {
    pub(crate) name: String,
    pub(crate) branches: [BranchPtr; 2],
}

/// Returns the root types that one or both of two documents have, in the order of their names, without the history marks. A
/// document that lacks one gets it, empty.
pub(crate) fn root_pairs(one: &Replica, other: &Replica) -> Vec<RootPair> {
    let names: BTreeSet<String> = one.root_names().into_iter().chain(other.root_names()).collect();
    // The kinds of root types are not stored, so it does not matter that they begin as texts here.
    let pair = |name: String| {
        let texts = [&one.doc, &other.doc].map(|doc| doc.get_or_insert_text(name.as_str()));
        let branches = texts.map(|text| BranchPtr::from(AsRef::<Branch>::as_ref(&text)));
        RootPair { name, branches }
    };
    names.into_iter().map(pair).collect()
}

impl Replica {
    /// Returns the names of the root types, without the history marks.
    pub(crate) fn root_names(&self) -> Vec<String> {
        let txn = self.doc.transact();
        let names = txn.root_refs().filter(|(name, _root)| *name != MARKS);
        names.map(|(name, _root): (&str, Out)| name.to_owned()).collect()
    }
}
