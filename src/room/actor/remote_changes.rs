//! Changes that other nodes published and this room has not applied yet.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::domain::{Change, Version};

/// The most bytes of changes that are kept. What does not fit is read from the log.
const MAX_REMOTE_BYTES: usize = 4 * 1024 * 1024;

/// Published changes by version.
#[derive(Debug, Default)]
pub(super) struct RemoteChanges {
    changes: BTreeMap<Version, Arc<Change>>,
    bytes: usize,
}

impl RemoteChanges {
    /// Keeps a change if there is capacity.
    pub(super) fn add(&mut self, change: Arc<Change>) {
        let bytes = change.weight();
        if self.bytes + bytes <= MAX_REMOTE_BYTES
            && let Entry::Vacant(entry) = self.changes.entry(change.version)
        {
            entry.insert(change);
            self.bytes += bytes;
        }
    }

    /// Removes and returns the changes that follow `head` without a hole. Older ones are forgotten; later ones stay.
    pub(super) fn take_after(&mut self, head: Version) -> Vec<Change> {
        let mut next = head.next();
        let mut taken = Vec::new();
        while let Some(first) = self.changes.first_entry().filter(|first| *first.key() <= next) {
            let change = first.remove();
            self.bytes -= change.weight();
            if change.version == next {
                next = next.next();
                taken.push(Arc::unwrap_or_clone(change));
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::title_change;

    fn take(changes: &mut RemoteChanges, head: i64) -> Vec<i64> {
        let taken = changes.take_after(Version::new(head));
        taken.iter().map(|change| change.version.number()).collect()
    }

    #[test]
    fn changes_are_taken_without_a_hole_and_later_ones_wait() {
        let mut changes = RemoteChanges::default();
        for version in [9, 4, 5, 2, 4, 7] {
            changes.add(Arc::new(title_change(version)));
        }
        assert_eq!(take(&mut changes, 3), [4, 5]);
        assert_eq!(take(&mut changes, 6), [7]);
        assert_eq!(take(&mut changes, 9), [] as [i64; 0]);
        assert!(changes.changes.is_empty() && changes.bytes == 0);
    }
}
