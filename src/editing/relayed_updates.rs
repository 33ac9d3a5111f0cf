//! The updates in a replica that came from other nodes and not from the log, so that they can be compared with the log before
//! a snapshot of the replica is stored.
//!
//! The time of a version identifies it (docs/adr/0023-lost-changes.md), but a forged change may name the time of another. A
//! snapshot replaces the changes before it for good, so it must not hold anything else than they do.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::loader::MAX_PAGE_BYTES;
use crate::{
    domain::{Change, DocumentId, Version},
    store::{Store, StoreError},
};

/// The most updates that are remembered. A snapshot is due long before.
const MAX_UPDATES: usize = 16_384;

/// What the log says about the updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayedCheck {
    /// It has the same updates.
    Same,
    /// It does not have all of them any more, or not yet.
    Unknown,
    /// It has another update for one of the versions.
    Other,
}

/// The hash of each update, by version.
#[derive(Debug, Default)]
pub(crate) struct RelayedUpdates {
    hashes: BTreeMap<Version, [u8; 32]>,
    is_incomplete: bool,
}

impl RelayedUpdates {
    /// Remembers the update of a change that was published and not read from the log.
    pub(crate) fn note(&mut self, change: &Change) {
        if self.hashes.len() < MAX_UPDATES {
            self.hashes.insert(change.version, hash(change));
        } else {
            self.is_incomplete = true;
        }
    }

    /// Compares the updates with the log, and forgets them.
    ///
    /// # Errors
    /// The log could not be read.
    pub(crate) async fn check(
        &mut self,
        store: &Store,
        document: DocumentId,
    ) -> Result<RelayedCheck, StoreError> {
        let Self { mut hashes, is_incomplete } = std::mem::take(self);
        while let (Some((first, _)), Some((last, _))) =
            (hashes.first_key_value(), hashes.last_key_value())
        {
            let (after, up_to) = (first.previous(), *last);
            let page = store.list_changes(document, after, up_to, MAX_PAGE_BYTES).await?;
            match compare(&mut hashes, &page) {
                RelayedCheck::Same => {}
                other => return Ok(other),
            }
        }
        Ok(if is_incomplete { RelayedCheck::Unknown } else { RelayedCheck::Same })
    }
}

/// Removes the hashes that a page of the log confirms. The page begins with the first of them.
fn compare(hashes: &mut BTreeMap<Version, [u8; 32]>, page: &[Change]) -> RelayedCheck {
    let Some(last) = page.last().map(|change| change.version) else {
        return RelayedCheck::Unknown;
    };
    for change in page {
        if hashes.remove(&change.version).is_some_and(|relayed| relayed != hash(change)) {
            return RelayedCheck::Other;
        }
    }
    match hashes.first_key_value() {
        Some((left, _)) if *left <= last => RelayedCheck::Unknown,
        _ => RelayedCheck::Same,
    }
}

fn hash(change: &Change) -> [u8; 32] {
    Sha256::digest(change.update.as_deref().unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples::title_change;

    fn change(version: i64, update: &[u8]) -> Change {
        Change { update: Some(update.to_vec().into()), ..title_change(version) }
    }

    fn compared(relayed: &[Change], log: &[Change]) -> (RelayedCheck, usize) {
        let mut updates = RelayedUpdates::default();
        relayed.iter().for_each(|change| updates.note(change));
        let check = compare(&mut updates.hashes, log);
        (check, updates.hashes.len())
    }

    #[test]
    fn only_the_same_updates_are_confirmed() {
        let relayed = [change(3, b"three"), title_change(5)];
        let log = [change(3, b"three"), change(4, b"four"), title_change(5)];
        assert_eq!(compared(&relayed, &log), (RelayedCheck::Same, 0));
        // The next page has the rest.
        assert_eq!(compared(&relayed, &log[..1]), (RelayedCheck::Same, 1));
        assert_eq!(compared(&relayed, &[]).0, RelayedCheck::Unknown);
        assert_eq!(compared(&relayed, &log[1..]).0, RelayedCheck::Unknown, "3 is not kept");
        assert_eq!(compared(&relayed, &[change(3, b"other")]).0, RelayedCheck::Other);
    }
}
