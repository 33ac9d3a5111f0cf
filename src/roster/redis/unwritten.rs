//! The entries whose state in Redis may differ from their state on this node. Pure.
//!
//! Each entry is listed once, however often it changes, because the writer writes its current state.

use indexmap::IndexSet;

use super::entry_key::EntryKey;

/// The entries to write, in the order of their first change.
#[derive(Debug, Default)]
pub(super) struct UnwrittenEntries {
    changed: IndexSet<EntryKey>,
    /// Entries of which only the cursor changed. They are written with less urgency.
    moved: IndexSet<EntryKey>,
}

impl UnwrittenEntries {
    /// Records that an entry was added or removed.
    pub(super) fn mark_changed(&mut self, key: EntryKey) {
        self.changed.insert(key);
    }

    /// Records that the cursor of an entry moved.
    pub(super) fn mark_moved(&mut self, key: EntryKey) {
        self.moved.insert(key);
    }

    /// Removes and returns the oldest changed entries, at most `max`.
    pub(super) fn take_changed(&mut self, max: usize) -> Vec<EntryKey> {
        self.changed.drain(..self.changed.len().min(max)).collect()
    }

    /// Returns whether there are changed entries.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Removes and returns all entries whose cursor moved.
    pub(super) fn take_moved(&mut self) -> Vec<EntryKey> {
        self.moved.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, SessionId};

    #[test]
    fn an_entry_is_listed_once_and_in_order() {
        let mut unwritten = UnwrittenEntries::default();
        let document = DocumentId::new();
        let keys: Vec<_> = (0..3).map(|_| EntryKey::Presence(document, SessionId::new())).collect();
        for key in keys.iter().chain(&keys) {
            unwritten.mark_changed(*key);
        }
        assert_eq!(unwritten.take_changed(2), keys[..2]);
        assert!(unwritten.has_changed());
        assert_eq!(unwritten.take_changed(2), keys[2..]);
        assert!(!unwritten.has_changed() && unwritten.take_changed(2).is_empty());
    }
}
