//! The root type that is the body of a document.

use yrs::{
    Map as _, MapRef, Out, ReadTxn, Text as _, TextRef, Transact as _, branch::BranchPtr,
    types::text::YChange,
};

use super::{
    branches::branch_of,
    marks::MARKS,
    replica::{Replica, TEXT},
};

impl Replica {
    /// Returns the name of the root type that is the body of the document: the one that was named when it was created. Without a name
    /// it is `content` if that has text, and otherwise the first other one, by name, that has content: a tree of XML if there is one,
    /// then a text or list, and a map only if there is nothing else. Many applications keep settings in a map and notes in a list.
    #[must_use]
    pub fn body_root(&self) -> String {
        if let Some(name) = self.named_body() {
            return name;
        }
        let txn = self.doc.transact();
        if self.text.len(&txn) > 0 {
            return TEXT.to_owned();
        }
        let others = txn.root_refs().filter(|(name, _root)| *name != MARKS);
        let first = others.filter_map(|(name, root)| Some((rank_of(&root, &txn)?, name))).min();
        first.map_or(TEXT, |(_rank, name)| name).to_owned()
    }

    /// Returns the name of the root type that has the text of the document, if deltas cannot change it: another one than `content` was
    /// named as the body, or a tree of XML has text. Other texts may be there beside `content`, such as a title.
    #[must_use]
    pub fn other_body(&self) -> Option<String> {
        if let Some(name) = self.named_body() {
            return (name != TEXT).then_some(name);
        }
        if self.content().bytes() > 0 || self.body_text(0).is_some() {
            return None;
        }
        let name = self.body_root();
        let txn = self.doc.transact();
        is_tree(branch_of(&txn.get(&name)?)?, &txn).then_some(name)
    }
}

/// Returns how far behind others a root type is as a body. `None` if it has no content.
fn rank_of(root: &Out, txn: &impl ReadTxn) -> Option<u8> {
    let branch = branch_of(root)?;
    match TextRef::from(branch).len(txn) {
        0 => (MapRef::from(branch).len(txn) > 0).then_some(2),
        _ => Some(if is_tree(branch, txn) { 0 } else { 1 }),
    }
}

/// Whether a root type, of which kind is not known, has nodes of XML.
fn is_tree(branch: BranchPtr, txn: &impl ReadTxn) -> bool {
    let chunks = TextRef::from(branch).diff(txn, YChange::identity);
    chunks.iter().any(|chunk| matches!(chunk.insert, Out::YXmlElement(_) | Out::YXmlText(_)))
}
