//! The entries whose state in Redis may differ from their state on this node. Pure: time is an argument.
//!
//! Each changed entry is listed once, however often it changes, because the writer writes its current state. What was
//! written is written once more later: a replica that takes over may lack the last writes of its primary.

use std::{collections::VecDeque, time::Duration};

use indexmap::IndexSet;
use tokio::time::Instant;

use super::entry_key::EntryKey;
use crate::wire::envelope::Incarnation;

/// The entries to write, in the order of their first change.
#[derive(Debug)]
pub(super) struct UnwrittenEntries {
    changed: IndexSet<EntryKey>,
    /// Entries of which only the cursor changed. They are written with less urgency.
    moved: IndexSet<EntryKey>,
    /// Entries that were written and will be once more, in the order of that time. Their number is that of the changes
    /// within `confirm_after`.
    written: VecDeque<WrittenEntry>,
    confirm_after: Duration,
    /// Entries of incarnations that are gone. They have to be removed.
    orphaned: IndexSet<(EntryKey, Incarnation)>,
}

/// An entry that was written, or whose removal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenEntry {
    pub(super) key: EntryKey,
    /// Whether it was written; otherwise it was removed.
    pub(super) is_present: bool,
    confirm_at: Instant,
}

impl UnwrittenEntries {
    /// Creates an empty list. What is written is to be written again after `confirm_after`.
    pub(super) fn new(confirm_after: Duration) -> Self {
        Self {
            changed: IndexSet::new(),
            moved: IndexSet::new(),
            written: VecDeque::new(),
            confirm_after,
            orphaned: IndexSet::new(),
        }
    }

    /// Records that an entry was added or removed.
    pub(super) fn mark_changed(&mut self, key: EntryKey) {
        self.changed.insert(key);
    }

    /// Records that the cursor of an entry moved.
    pub(super) fn mark_moved(&mut self, key: EntryKey) {
        self.moved.insert(key);
    }

    /// Records that an entry was written, or that its removal was.
    pub(super) fn mark_written(&mut self, key: EntryKey, is_present: bool, now: Instant) {
        let confirm_at = now + self.confirm_after;
        self.written.push_back(WrittenEntry { key, is_present, confirm_at });
    }

    /// Records that an entry belongs to an incarnation that is gone.
    pub(super) fn mark_orphaned(&mut self, key: EntryKey, incarnation: Incarnation) {
        self.orphaned.insert((key, incarnation));
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

    /// Removes and returns the entries that have to be written once more by now, at most `max`. Omits those that have
    /// changed again.
    pub(super) fn take_unconfirmed(&mut self, max: usize, now: Instant) -> Vec<WrittenEntry> {
        let is_due = |written: &&WrittenEntry| written.confirm_at <= now;
        let due = self.written.iter().take(max).take_while(is_due).count();
        let due = self.written.drain(..due);
        due.filter(|written| !self.changed.contains(&written.key)).collect()
    }

    /// Puts back an entry that could not be confirmed.
    pub(super) fn put_back_unconfirmed(&mut self, written: WrittenEntry) {
        self.written.push_front(written);
    }

    /// Forgets what was written. All entries are to be marked as changed.
    pub(super) fn forget_written(&mut self) {
        self.written.clear();
    }

    /// Removes and returns all entries of incarnations that are gone.
    pub(super) fn take_orphaned(&mut self) -> Vec<(EntryKey, Incarnation)> {
        self.orphaned.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, SessionId};

    const CONFIRM_AFTER: Duration = Duration::from_secs(15);

    fn keys<const N: usize>() -> [EntryKey; N] {
        let document = DocumentId::new();
        [(); N].map(|()| EntryKey::Presence(document, SessionId::new()))
    }

    #[test]
    fn an_entry_is_listed_once_and_in_order() {
        let mut unwritten = UnwrittenEntries::new(CONFIRM_AFTER);
        let keys = keys::<3>();
        for key in keys.iter().chain(&keys) {
            unwritten.mark_changed(*key);
        }
        assert_eq!(unwritten.take_changed(2), keys[..2]);
        assert!(unwritten.has_changed());
        assert_eq!(unwritten.take_changed(2), keys[2..]);
        assert!(!unwritten.has_changed() && unwritten.take_changed(2).is_empty());
    }

    #[test]
    fn a_written_entry_is_confirmed_once_unless_it_has_changed_again() {
        let mut unwritten = UnwrittenEntries::new(CONFIRM_AFTER);
        let (start, [first, second, third]) = (Instant::now(), keys());
        for key in [first, second, third] {
            unwritten.mark_written(key, true, start);
        }
        unwritten.mark_changed(second);
        let mut take = |max, now| {
            let taken = unwritten.take_unconfirmed(max, now);
            taken.iter().map(|written| written.key).collect::<Vec<_>>()
        };
        assert_eq!(take(9, start + CONFIRM_AFTER / 2), []);
        assert_eq!(take(2, start + CONFIRM_AFTER), [first]);
        assert_eq!(take(2, start + CONFIRM_AFTER), [third]);
        assert_eq!(take(2, start + CONFIRM_AFTER), []);
    }

    #[test]
    fn an_entry_that_could_not_be_confirmed_is_due_again() {
        let mut unwritten = UnwrittenEntries::new(CONFIRM_AFTER);
        let (start, [key]) = (Instant::now(), keys());
        unwritten.mark_written(key, false, start);
        let taken = unwritten.take_unconfirmed(9, start + CONFIRM_AFTER);
        unwritten.put_back_unconfirmed(taken[0]);
        assert_eq!(unwritten.take_unconfirmed(9, start + CONFIRM_AFTER), taken);
        unwritten.put_back_unconfirmed(taken[0]);
        unwritten.forget_written();
        assert_eq!(unwritten.take_unconfirmed(9, start + CONFIRM_AFTER), []);
    }
}
