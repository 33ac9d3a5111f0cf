//! Reads what a subscriber misses from the log: a page of changes, or the whole text if they are no longer kept.
//!
//! Subscribers take turns, by user. A page that needs texts has a turn of another kind than one that does not, because loading
//! a text may wait for seconds.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{Change, ChangeKind, DocumentId, Party, Version},
    editing::{LoadError, loader::DocumentLoader, log_tail::are_consecutive},
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    store::{Head, Store},
};

/// The most bytes of the log that are rendered in one turn of the actor.
const MAX_PAGE_BYTES: usize = 64 * 1024;

/// The most pages without texts that are read and rendered at the same time: as many as the database has readers by default.
const MAX_PAGES_WITHOUT_TEXTS: usize = 4;

/// The most pages with texts that are read and rendered at the same time. Those of heavy documents wait for each other within their turns,
/// and a few users with such documents must not take all places.
const MAX_PAGES_WITH_TEXTS: usize = 16;

/// The most turns of each kind that one user has at the same time, so that others need not wait for them.
const MAX_TURNS_OF_USER: usize = 2;

/// The longest time for which a subscriber waits for its turn to be sent a page. Its user has too many others before it.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The turns of subscribers of a node that are sent what they miss. Clones are the same turns.
#[derive(Clone)]
pub(super) struct ReplayTurns {
    without_texts: FairQueue<Party>,
    with_texts: FairQueue<Party>,
}

/// A turn. It ends when this is dropped.
pub(super) type ReplayTurn = FairPermit<Party>;

impl ReplayTurns {
    pub(super) fn new() -> Self {
        let [without_texts, with_texts] =
            [MAX_PAGES_WITHOUT_TEXTS, MAX_PAGES_WITH_TEXTS].map(|places| {
                FairQueue::new(QueueBounds {
                    places,
                    share: MAX_TURNS_OF_USER,
                    // The subscriptions bound the number that wait.
                    waiting_of_key: usize::MAX,
                    waiting: usize::MAX,
                })
            });
        Self { without_texts, with_texts }
    }
}

async fn turn_of(turns: &FairQueue<Party>, party: Party) -> Result<ReplayTurn, LoadError> {
    turns.acquire_within(party, MAX_WAIT).await.map_err(|_too_late| LoadError::Busy)
}

/// The changes that a subscriber misses.
pub(super) struct MissingChanges {
    pub(super) document: DocumentId,
    /// The subscriber's user.
    pub(super) party: Party,
    pub(super) next: Version,
    /// The head of the room when reading begins.
    pub(super) head: Head,
    pub(super) wants_content: bool,
}

impl MissingChanges {
    /// Reads a page of changes from the log, beginning with `next`, in a turn of the subscriber's user. If `next` is no longer
    /// kept, returns one change of kind `RESYNC` with the whole text. Returns none if the document was deleted.
    ///
    /// # Errors
    /// [`LoadError`]. [`LoadError::Busy`] if the user had no turn within 30 s.
    pub(super) async fn read(
        &self,
        store: &Store,
        loader: &DocumentLoader,
        turns: &ReplayTurns,
    ) -> Result<Option<(Vec<Arc<Change>>, ReplayTurn)>, LoadError> {
        if !self.wants_content {
            let turn = turn_of(&turns.without_texts, self.party).await?;
            if let Some(page) = self.page(store).await? {
                return Ok(Some((shared(page), turn)));
            }
        }
        let turn = turn_of(&turns.with_texts, self.party).await?;
        let filled = if self.wants_content { self.filled_page(store, loader).await? } else { None };
        let changes = match filled {
            Some(page) => Some(page),
            None => self.resync(store, loader).await?.map(|change| vec![change]),
        };
        Ok(changes.map(|changes| (shared(changes), turn)))
    }

    /// Reads a page of the log. None if it does not have `next` any more.
    async fn page(&self, store: &Store) -> Result<Option<Vec<Change>>, LoadError> {
        let after = self.next.previous();
        let listing = store.list_changes(self.document, after, self.head.version, MAX_PAGE_BYTES);
        let page = store.read_for(self.party, listing).await??;
        Ok((!page.is_empty() && are_consecutive(&page, after)).then_some(page))
    }

    /// Reads a page of the log with the text after each change. None if the log, or the text before it, is not kept.
    async fn filled_page(
        &self,
        store: &Store,
        loader: &DocumentLoader,
    ) -> Result<Option<Vec<Change>>, LoadError> {
        let Some(page) = self.page(store).await? else { return Ok(None) };
        match loader.fill(self.document, None, page, self.party).await {
            // The log begins here, and no snapshot has the text before it, or none that can be loaded.
            Err(LoadError::NotKept | LoadError::TooHeavy(_)) => Ok(None),
            filled => filled.map(Some),
        }
    }

    /// Reads the present text, for a subscriber whose next change is no longer kept.
    async fn resync(
        &self,
        store: &Store,
        loader: &DocumentLoader,
    ) -> Result<Option<Change>, LoadError> {
        // Not the stored head, which may be one that the room has not reached, or has left because it is lost.
        let Head { version, title, at, .. } = self.head.clone();
        let content = match loader.content(self.document, version, self.party).await {
            Err(LoadError::NotKept) => {
                let finding = store.find_head(self.document);
                match store.read_for(self.party, finding).await?? {
                    Some(_head) => return Err(LoadError::NotKept),
                    None => return Ok(None),
                }
            }
            content => content?,
        };
        Ok(Some(Change {
            document: self.document,
            kind: ChangeKind::Resync,
            version,
            author: None,
            session: None,
            title,
            delta: None,
            update: None,
            content: Some(content),
            at,
            previous_at: None,
        }))
    }
}

fn shared(changes: Vec<Change>) -> Vec<Arc<Change>> {
    changes.into_iter().map(Arc::new).collect()
}

#[cfg(test)]
#[path = "missing_changes_tests.rs"]
mod tests;
