//! Counts how much the changes of a history entry inserted and deleted, from their stored updates.

use super::{
    HistoryError, LoadError,
    document_load::Target,
    loader::{DocumentLoader, off_thread},
    log_tail::LogTail,
};
use crate::{
    domain::{Change, DocumentId, Party, Version},
    wire::yjs::Outline,
};

/// The most bytes of changes that are read to count an entry.
const MAX_COUNTED_BYTES: usize = 2 * 1024 * 1024;

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

impl EntryCounts {
    fn add(&mut self, changes: &[Change]) {
        let updates = changes.iter().filter_map(|change| change.update.as_deref());
        // One that cannot be read is refused when the document is loaded.
        for outline in updates.filter_map(|update| Outline::read(update, usize::MAX).ok()) {
            self.inserted_characters += outline.text_units();
            self.inserted_nodes += outline.nodes();
            self.deleted_units += outline.deleted_units();
        }
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
        let (mut counts, mut left) = (EntryCounts::default(), MAX_COUNTED_BYTES);
        loop {
            let page = match tail.find_next().await {
                Ok(None) => return Ok(Some(counts)),
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
            let count = move || {
                counts.add(&page);
                counts
            };
            counts = off_thread(bytes, count).await?;
        }
    }
}
