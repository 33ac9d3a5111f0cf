//! The requests of each user that are not answered yet.
//!
//! A rate bounds how many requests begin, not how many wait for the database, for a turn or for their client to receive an
//! answer.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::HttpError;
use crate::domain::{Party, UserId};

/// Counts the requests of users on this node. Clones are the same count.
#[derive(Clone)]
pub struct RequestsInFlight {
    max: usize,
    /// Only users who have a request.
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A request that is not answered yet. It counts until it is dropped.
pub(super) struct RequestInFlight {
    requests: RequestsInFlight,
    user: UserId,
}

impl RequestsInFlight {
    /// Returns a count of nothing, in which each user may have `max` requests.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, counts: Arc::default() }
    }

    /// Counts a request. Those of strangers have a rate only: they can read little, and are many behind one address.
    ///
    /// # Errors
    /// [`HttpError::TooManyInFlight`].
    pub(super) fn enter(&self, party: Party) -> Result<Option<RequestInFlight>, HttpError> {
        let Party::User(user) = party else { return Ok(None) };
        let mut counts = self.counts.lock();
        let count = counts.entry(user).or_default();
        if *count >= self.max {
            return Err(HttpError::TooManyInFlight { max: self.max });
        }
        *count += 1;
        Ok(Some(RequestInFlight { requests: self.clone(), user }))
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let mut counts = self.requests.counts.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_of_each_user_are_bounded_until_they_are_dropped() {
        let requests = RequestsInFlight::new(2);
        let [ana, bo] = [(); 2].map(|()| Party::User(UserId::new()));
        let (first, _second) = (requests.enter(ana).unwrap(), requests.enter(ana).unwrap());
        assert!(matches!(requests.enter(ana), Err(HttpError::TooManyInFlight { max: 2 })));
        assert!(requests.enter(bo).unwrap().is_some());
        drop(first);
        assert!(requests.enter(ana).unwrap().is_some());
        assert!(requests.enter(Party::Stranger(None)).unwrap().is_none());
        assert_eq!(requests.counts.lock().len(), 1);
    }
}
