//! The documents that users have open on this node.
//!
//! A document stays in memory for `room.linger` after its last user has left, so it counts for that long as well.
//!
//! Invariant: a user holds at most `limit` documents, each of which counts once, however often it is held.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{AllowanceUse, QuotaExceeded, QuotaKind};
use crate::domain::{DocumentId, UserId};

/// Below this many users a sweep is not worth its time.
const SWEEP_FROM: usize = 1_024;

/// The open documents of all users. Clones share them.
#[derive(Debug, Clone)]
pub struct OpenDocuments(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    linger: Duration,
    users: Mutex<Users>,
}

#[derive(Debug)]
struct Users {
    open: HashMap<UserId, HashMap<DocumentId, OpenState>>,
    /// When there are this many users, those without open documents are dropped.
    sweep_at: usize,
}

/// How a user holds a document.
#[derive(Debug)]
enum OpenState {
    /// This many values hold it.
    Held(usize),
    /// Nothing holds it. It counts until then.
    Lingers(Instant),
}

impl OpenState {
    fn counts(&self, now: Instant) -> bool {
        match self {
            Self::Held(_) => true,
            Self::Lingers(until) => *until > now,
        }
    }
}

/// A document that a user has open. Dropping it closes the document.
#[derive(Debug)]
pub struct HeldDocument {
    shared: Arc<Shared>,
    user: UserId,
    document: DocumentId,
}

impl OpenDocuments {
    /// Returns no open documents. Each user may have `limit`; 0 counts as 1.
    #[must_use]
    pub fn new(limit: usize, linger: Duration) -> Self {
        let users = Mutex::new(Users { open: HashMap::new(), sweep_at: SWEEP_FROM });
        Self(Arc::new(Shared { limit: limit.max(1), linger, users }))
    }

    /// Opens a document for a user.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if the user has too many others open.
    pub fn open(&self, user: UserId, document: DocumentId) -> Result<HeldDocument, QuotaExceeded> {
        let now = Instant::now();
        let mut users = self.0.users.lock();
        users.sweep(now);
        let open = users.open.entry(user).or_default();
        if open.len() >= self.0.limit && !open.contains_key(&document) {
            open.retain(|_, state| state.counts(now));
            self.0.admit(open, now)?;
        }
        match open.entry(document) {
            Entry::Occupied(mut entry) => match entry.get_mut() {
                OpenState::Held(holders) => *holders += 1,
                state @ OpenState::Lingers(_) => *state = OpenState::Held(1),
            },
            Entry::Vacant(entry) => {
                entry.insert(OpenState::Held(1));
            }
        }
        Ok(HeldDocument { shared: Arc::clone(&self.0), user, document })
    }

    /// Returns whether a user has a document open.
    #[must_use]
    pub fn has(&self, user: UserId, document: DocumentId) -> bool {
        let users = self.0.users.lock();
        let state = users.open.get(&user).and_then(|open| open.get(&document));
        matches!(state, Some(OpenState::Held(_)))
    }

    /// Returns how many documents a user has open.
    #[must_use]
    pub fn used(&self, user: UserId) -> AllowanceUse {
        let (now, users) = (Instant::now(), self.0.users.lock());
        let open = users.open.get(&user).into_iter().flat_map(HashMap::values);
        let used = open.filter(|state| state.counts(now)).count() as u64;
        AllowanceUse { used, limit: self.0.limit as u64, resets_after: Duration::ZERO }
    }
}

impl Shared {
    fn admit(
        &self,
        open: &HashMap<DocumentId, OpenState>,
        now: Instant,
    ) -> Result<(), QuotaExceeded> {
        if open.len() < self.limit {
            return Ok(());
        }
        let free_at = open.values().filter_map(|state| match state {
            OpenState::Held(_) => None,
            OpenState::Lingers(until) => Some(until.saturating_duration_since(now)),
        });
        Err(QuotaExceeded {
            kind: QuotaKind::OpenDocuments,
            used: open.len() as u64,
            limit: self.limit as u64,
            retry_after: free_at.min(),
        })
    }
}

impl Users {
    fn sweep(&mut self, now: Instant) {
        if self.open.len() >= self.sweep_at {
            self.open.retain(|_, open| open.values().any(|state| state.counts(now)));
            self.sweep_at = (self.open.len() * 2).max(SWEEP_FROM);
        }
    }
}

impl Drop for HeldDocument {
    fn drop(&mut self) {
        let mut users = self.shared.users.lock();
        let Some(open) = users.open.get_mut(&self.user) else { return };
        match open.get_mut(&self.document) {
            Some(OpenState::Held(holders)) if *holders > 1 => *holders -= 1,
            Some(state) if self.shared.linger > Duration::ZERO => {
                *state = OpenState::Lingers(Instant::now() + self.shared.linger);
            }
            Some(_) | None => {
                open.remove(&self.document);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_document_counts_once_and_until_it_has_lingered() {
        let linger = Duration::from_secs(10);
        let (open, ana, bo) = (OpenDocuments::new(2, linger), UserId::new(), UserId::new());
        let [first, second, third] = [(); 3].map(|()| DocumentId::new());
        let held = [open.open(ana, first), open.open(ana, second), open.open(ana, first)];
        let [one, two, again] = held.map(Result::unwrap);
        let refused = open.open(ana, third).unwrap_err();
        assert_eq!((refused.used, refused.limit, refused.retry_after), (2, 2, None));
        open.open(bo, third).unwrap();

        drop(one);
        assert!(open.open(ana, third).is_err(), "it is held once more");
        drop(again);
        let refused = open.open(ana, third).unwrap_err();
        assert_eq!(refused.retry_after, Some(linger));
        drop(open.open(ana, first).unwrap());
        tokio::time::advance(linger).await;
        assert_eq!(open.used(ana).used, 1);
        open.open(ana, third).unwrap();
        drop(two);
    }

    #[tokio::test(start_paused = true)]
    async fn users_without_open_documents_are_dropped() {
        let open = OpenDocuments::new(2, Duration::from_millis(1));
        for _ in 0..10_000 {
            drop(open.open(UserId::new(), DocumentId::new()).unwrap());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(open.0.users.lock().open.len() <= SWEEP_FROM);
    }
}
