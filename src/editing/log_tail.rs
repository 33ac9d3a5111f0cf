//! The changes after a snapshot, read page by page.

use super::{LoadError, loader::MAX_PAGE_BYTES};
use crate::{
    domain::{Change, DocumentId, Version},
    store::{LogPage, Store},
};

/// The changes of a document after one version, up to another.
pub(super) struct LogTail {
    store: Store,
    document: DocumentId,
    last: Version,
    up_to: Version,
    /// The next page, if it was found already.
    found: Option<LogPage>,
}

impl LogTail {
    pub(super) fn new(store: Store, document: DocumentId, after: Version, up_to: Version) -> Self {
        Self { store, document, last: after, up_to, found: None }
    }

    /// Finds the next page without reading it. Returns its bytes; none at the end.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if changes are missing, or the store failed.
    pub(super) async fn find_next(&mut self) -> Result<Option<usize>, LoadError> {
        if self.last >= self.up_to {
            return Ok(None);
        }
        let found = self
            .store
            .find_log_page(self.document, self.last, self.up_to, MAX_PAGE_BYTES)
            .await?
            .ok_or(LoadError::NotKept)?;
        self.found = Some(found);
        Ok(Some(found.bytes))
    }

    /// Returns the next page. None at the end.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if changes are missing, or the store failed.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Change>>, LoadError> {
        if self.found.is_none() {
            self.find_next().await?;
        }
        let Some(found) = self.found.take() else { return Ok(None) };
        let page = self.store.read_log_page(self.document, found).await?;
        if page.is_empty() || !are_consecutive(&page, self.last) {
            return Err(LoadError::NotKept);
        }
        self.last = page.last().map_or(self.last, |last| last.version);
        Ok(Some(page))
    }
}

/// Whether these changes follow a version without a hole.
pub(crate) fn are_consecutive(changes: &[Change], after: Version) -> bool {
    let mut last = after;
    changes.iter().all(|change| {
        let is_next = change.version == last.next();
        last = change.version;
        is_next
    })
}
