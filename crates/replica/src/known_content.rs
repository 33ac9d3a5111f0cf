//! Whether a document has everything in an update.

use bytes::Bytes;
use protocol::wire::yjs::Outline;
use yrs::Transact as _;

use super::{parts::deleted, replica::Replica};

impl Replica {
    /// Returns whether the document has everything that these Yjs v1 updates insert, and lacks everything that they delete. Then
    /// merging them changes nothing. False for one that cannot be read.
    #[must_use]
    pub fn has_all_of(&self, updates: &[Bytes]) -> bool {
        let clocks = self.clocks();
        let known = |client: u64| clocks.get(&client).copied().unwrap_or(0);
        // Finding them takes a pass over the document.
        let mut deletions = None;
        updates.iter().all(|update| {
            let Ok(mut outline) = Outline::read(update, usize::MAX) else { return false };
            if outline.ranges().any(|(client, _start, end)| end > known(client)) {
                return false;
            }
            if outline.deletes() {
                let all = deletions.get_or_insert_with(|| deleted(&self.doc.transact()));
                outline.leave_out_deleted(all);
            }
            !outline.deletes()
        })
    }
}

#[cfg(test)]
mod tests {
    use yrs::{Text as _, WriteTxn as _};

    use super::*;
    use crate::editors::{edited, editor, update_of};

    #[test]
    fn what_a_document_has_is_told_from_insertions_and_from_deletions() {
        let replica = edited(&Replica::of("Hello world"), 1, |txn| {
            txn.get_or_insert_text("content").remove_range(txn, 0, 6);
        });
        assert!(replica.has_all_of(&[]));
        assert!(replica.has_all_of(&[replica.state().into()]));
        let doc = editor(&replica, 2);
        let text = doc.get_or_insert_text("content");
        let inserted = update_of(&doc, |txn| text.insert(txn, 0, "!"));
        assert!(!replica.has_all_of(&[replica.state().into(), inserted]));
        let deleted = update_of(&editor(&replica, 3), |txn| {
            txn.get_or_insert_text("content").remove_range(txn, 0, 1);
        });
        assert!(!replica.has_all_of(&[deleted]));
        assert!(!replica.has_all_of(&[Bytes::from_static(b"no update")]));
    }
}
