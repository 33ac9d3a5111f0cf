//! The last changes of a document, kept in memory. Most replays and rebases need no others.
//!
//! Invariant: the changes follow each other without a hole, and the last one made the head.

use std::{collections::VecDeque, sync::Arc};

use crate::domain::{Change, Content, Version};

/// The newest changes, bounded in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentChanges {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    capacity: usize,
}

impl RecentChanges {
    /// Keeps at most `capacity` bytes of changes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Returns no changes, with the same capacity.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.capacity)
    }

    /// Appends the change after the last one. Any other change leaves a hole, so the older ones are removed.
    pub(super) fn push(&mut self, change: Arc<Change>) {
        if self.changes.back().is_some_and(|last| last.version.next() != change.version) {
            self.changes.clear();
            self.bytes = 0;
        }
        self.bytes += change.weight();
        self.changes.push_back(change);
        while self.bytes > self.capacity
            && let Some(oldest) = self.changes.pop_front()
        {
            self.bytes -= oldest.weight();
        }
    }

    /// Returns every change after `version`. None if not all of them are kept.
    pub(crate) fn after(&self, version: Version) -> Option<Vec<Arc<Change>>> {
        let first = self.changes.front()?.version;
        if version.next() < first {
            return None;
        }
        let skipped = usize::try_from(version.number() - first.previous().number()).ok()?;
        Some(self.changes.range(skipped.min(self.changes.len())..).cloned().collect())
    }

    /// Returns the text at a version if it is kept.
    pub(super) fn content_at(&self, version: Version) -> Option<Content> {
        let first = self.changes.front()?.version;
        let index = usize::try_from(version.number() - first.number()).ok()?;
        self.changes.get(index)?.content.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::title_change;

    fn change(version: i64) -> Arc<Change> {
        let content = Some(Content::from(&*version.to_string()));
        Arc::new(Change { content, ..title_change(version) })
    }

    fn versions(recent: &RecentChanges, after: i64) -> Option<Vec<i64>> {
        let changes = recent.after(Version::new(after))?;
        Some(changes.iter().map(|change| change.version.number()).collect())
    }

    #[test]
    fn changes_after_a_version_are_complete_or_none() {
        let mut recent = RecentChanges::new(change(0).weight() * 3);
        assert_eq!(versions(&recent, 1), None);
        for version in 2..=5 {
            recent.push(change(version));
        }
        assert_eq!(versions(&recent, 1), None, "version 2 was removed");
        assert_eq!(versions(&recent, 2), Some(vec![3, 4, 5]));
        assert_eq!(versions(&recent, 5), Some(vec![]));
        assert_eq!(recent.content_at(Version::new(4)).unwrap(), *"4");
        assert_eq!(recent.content_at(Version::new(2)), None);

        recent.push(change(9));
        assert_eq!(versions(&recent, 5), None);
        assert_eq!(versions(&recent, 8), Some(vec![9]));
    }
}
