//! Counts how much the changes of a history entry inserted and deleted, from their stored updates.

use std::time::Duration;

use super::{
    HistoryError, LoadError,
    document_load::Target,
    loader::{DocumentLoader, off_thread},
    log_tail::LogTail,
};
use crate::{
    domain::{Change, DocumentId, Party, Version},
    wire::yjs::{Outline, OutlineError},
};

/// How long counting an entry waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// The most bytes of changes that are read to count an entry.
const MAX_COUNTED_BYTES: usize = 2 * 1024 * 1024;

/// The most structs, and the most deleted ranges, that are read to count an entry.
const MAX_COUNTED_STRUCTS: usize = 200_000;

/// Consecutive changes of a document, from one version to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChangeRange {
    pub(crate) document: DocumentId,
    /// The version of the first change.
    pub(crate) from: Version,
    /// The version of the last change.
    pub(crate) to: Version,
}

/// How much some changes inserted and deleted, each of them counted by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryCounts {
    /// UTF-16 code units of text that were inserted, in all root types.
    pub inserted_characters: u64,
    /// Shared types, such as XML elements, and embedded objects that were inserted.
    pub inserted_nodes: u64,
    /// What was deleted: one for each UTF-16 code unit, shared type, embedded object, value and format.
    pub deleted_units: u64,
}

/// Counts that may still grow.
#[derive(Debug)]
struct EntryCounter {
    counts: EntryCounts,
    structs_left: usize,
    deletions_left: usize,
}

impl EntryCounter {
    fn new() -> Self {
        let [structs_left, deletions_left] = [MAX_COUNTED_STRUCTS; 2];
        Self { counts: EntryCounts::default(), structs_left, deletions_left }
    }

    /// Counts these changes as well. Returns `None` if they have too many parts.
    fn with(mut self, changes: &[Change]) -> Option<Self> {
        for update in changes.iter().filter_map(|change| change.update.as_deref()) {
            match Outline::read_bounded(update, self.structs_left, self.deletions_left) {
                Ok(outline) => self.add(&outline),
                Err(OutlineError::TooManyStructs | OutlineError::TooManyDeletions) => return None,
                // It is refused when the document is loaded.
                Err(OutlineError::Malformed(_) | OutlineError::TooDeep) => {}
            }
        }
        Some(self)
    }

    fn add(&mut self, outline: &Outline) {
        self.structs_left = self.structs_left.saturating_sub(outline.struct_count());
        self.deletions_left = self.deletions_left.saturating_sub(outline.deletion_count());
        self.counts.inserted_characters += outline.text_units();
        self.counts.inserted_nodes += outline.nodes();
        self.counts.deleted_units += outline.deleted_units();
    }
}

impl DocumentLoader {
    /// Counts what some changes inserted and deleted, for a party. Returns `None` if they are too large to be counted, or no longer
    /// kept. Creating the document counts as nothing.
    ///
    /// # Errors
    /// [`HistoryError::Load`].
    pub(crate) async fn count_changes(
        &self,
        ChangeRange { document, from, to }: ChangeRange,
        party: Party,
    ) -> Result<Option<EntryCounts>, HistoryError> {
        let target = Target { document, version: to, party };
        let first = from.max(Version::FIRST.next());
        let mut tail = LogTail::new(self.store().clone(), target, first.previous());
        let turn = self.counts().acquire_within(party, TURN_WITHIN).await;
        let mut turn = turn.map_err(|_refused| LoadError::Busy)?;
        let (mut counter, mut left) = (EntryCounter::new(), MAX_COUNTED_BYTES);
        loop {
            let page = match tail.find_next().await {
                Ok(None) => return Ok(Some(counter.counts)),
                Ok(Some(bytes)) if bytes > left => return Ok(None),
                Ok(Some(bytes)) => {
                    left -= bytes;
                    tail.next().await
                }
                Err(error) => Err(error),
            };
            let page = match page {
                Ok(page) => page.unwrap_or_default(),
                Err(LoadError::NotKept) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let bytes = page.iter().map(Change::weight).sum();
            // The thread has the turn, since it may outlive the wait for it.
            let count = move || (counter.with(&page), turn);
            let (counted, returned) = off_thread(bytes, count).await?;
            let Some(counted) = counted else { return Ok(None) };
            (counter, turn) = (counted, returned);
        }
    }
}

#[cfg(test)]
mod tests {
    use yrs::{Doc, Text as _, Transact as _};

    use super::*;
    use crate::domain::examples::title_change;

    #[test]
    fn an_entry_with_too_many_structs_is_not_counted() {
        let doc = Doc::new();
        let text = doc.get_or_insert_text("content");
        let mut txn = doc.transact_mut();
        text.insert(&mut txn, 0, "ab");
        let update = txn.encode_update_v1().into();
        let changes = [Change { update: Some(update), ..title_change(2) }, title_change(3)];
        let counter = |structs_left| EntryCounter { structs_left, ..EntryCounter::new() };
        let counted = counter(1).with(&changes).unwrap();
        assert_eq!(counted.counts.inserted_characters, 2);
        assert!(counted.with(&changes).is_none());
        assert!(counter(0).with(&changes).is_none());
        assert!(counter(0).with(&changes[1..]).is_some(), "a title has no structs");
    }
}
