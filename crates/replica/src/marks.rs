//! The root map that only the server writes: the history mark of the document, and the name of its body.
//!
//! Editors have the map as well, because it is a part of the document. An update that changes it is refused.

use protocol::wire::yjs::{MAX_CLIENT, SERVER_ROOT};
use yrs::{
    Any, ClientID, Map as _, MapRef, Out, ReadTxn, Text as _, TextRef, Transact as _,
    TransactionMut, WriteTxn as _,
};

use super::{body::DocumentBody, branches::branch_of, replica::Replica};

/// The name of the root map.
pub(crate) const MARKS: &str = SERVER_ROOT;
/// The key of the history mark.
const HISTORY: &str = "history";
/// The key of the name of the body. A document that was created without a name for it lacks it.
const BODY: &str = "body";

/// Returns a random client id for a history mark: above [`MAX_CLIENT`], of at most 53 bits.
pub(crate) fn fresh_mark() -> ClientID {
    const COUNT: u64 = (1 << 53) - 1 - MAX_CLIENT;
    let random = getrandom::u64().unwrap_or_else(|_none| ClientID::random().get());
    ClientID::new(MAX_CLIENT + 1 + random % COUNT)
}

fn history_of(mark: ClientID) -> String {
    format!("{:x}", mark.get())
}

/// What the root map has.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Marks {
    history: Option<Out>,
    body: Option<Out>,
    entries: u32,
    /// The length of the sequence that any root type may have. The server writes none here.
    elements: u32,
}

impl Marks {
    /// Writes the map of a new document. Returns the number of structs.
    pub(crate) fn write(txn: &mut TransactionMut<'_>, mark: ClientID, body: Option<&str>) -> usize {
        let marks = txn.get_or_insert_map(MARKS);
        marks.insert(txn, HISTORY, history_of(mark));
        if let Some(body) = body {
            marks.insert(txn, BODY, body);
        }
        1 + usize::from(body.is_some())
    }

    /// Whether they are as a server writes them into a document with this history mark.
    pub(crate) fn are_of(&self, mark: ClientID) -> bool {
        let history = Out::Any(Any::from(history_of(mark)));
        let entries = 1 + u32::from(self.body.is_some());
        let is_name = self.body.is_none() || self.body_name().is_some();
        self.history == Some(history) && is_name && self.entries == entries && self.elements == 0
    }

    /// Returns the name of the body.
    fn body_name(&self) -> Option<&str> {
        match self.body.as_ref()? {
            Out::Any(Any::String(name)) if DocumentBody::is_root_name(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn read(txn: &impl ReadTxn) -> Self {
        let Some(root) = txn.get(MARKS).as_ref().and_then(branch_of) else {
            return Self::default();
        };
        let map = MapRef::from(root);
        Self {
            history: map.get(txn, HISTORY),
            body: map.get(txn, BODY),
            entries: map.len(txn),
            elements: TextRef::from(root).len(txn),
        }
    }
}

impl Replica {
    /// Returns the name of the root type that was named as the body when the document was created.
    #[must_use]
    pub fn named_body(&self) -> Option<String> {
        Marks::read(&self.doc.transact()).body_name().map(str::to_owned)
    }

    /// Names the root type that is the body. The client of this document is that of the history mark.
    pub(crate) fn name_body(&mut self, body: &str) {
        let mut txn = self.doc.transact_mut();
        txn.get_or_insert_map(MARKS).insert(&mut txn, BODY, body);
        let update = txn.encode_update_v1();
        drop(txn);
        self.weight.add(update.len());
        self.structs.add(1);
    }
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
