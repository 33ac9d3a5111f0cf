//! The changes after a snapshot, read page by page in the turns of a party.

use super::{LoadError, document_load::Target, loader::MAX_PAGE_BYTES};
use crate::{
    domain::{Change, Version},
    store::{LogPage, Store},
};

/// The changes of a document after one version, up to another.
pub(super) struct LogTail {
    store: Store,
    target: Target,
    last: Version,
    /// The next page, if it was found already.
    found: Option<LogPage>,
}

impl LogTail {
    /// Returns the changes after a version up to that of `target`.
    pub(super) fn new(store: Store, target: Target, after: Version) -> Self {
        Self { store, target, last: after, found: None }
    }

    /// Finds the next page without reading it. Returns its bytes; none at the end.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if changes are missing, or the store failed.
    pub(super) async fn find_next(&mut self) -> Result<Option<usize>, LoadError> {
        let Target { document, version, party } = self.target;
        if self.last >= version {
            return Ok(None);
        }
        let finding = self.store.find_log_page(document, self.last, version, MAX_PAGE_BYTES);
        let found = self.store.read_for(party, finding).await??.ok_or(LoadError::NotKept)?;
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
        let reading = self.store.read_log_page(self.target.document, found);
        let page = self.store.read_for(self.target.party, reading).await??;
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
