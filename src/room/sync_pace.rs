//! How many bytes of documents Yjs editors of one user are sent in answers to sync step 1.
//!
//! An editor may ask for the whole document again and again, with a few bytes. An answer counts when it has been made, since
//! only then is its size known. The next one waits until the user is below the rate.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::UserId;

/// How much above the steady rate may be sent at once, as the time that it takes at that rate. A user who opens many documents
/// does not wait.
const BURST: Duration = Duration::from_secs(8);

/// With this many users, those who are not above any rate are forgotten.
const SWEEP_FROM: usize = 1_024;

/// The pace of all users of a node.
pub(super) struct SyncPace {
    per_second: u64,
    users: Mutex<PacedUsers>,
}

struct PacedUsers {
    /// When everything so far would have been sent at the steady rate.
    due: HashMap<UserId, Instant>,
    sweep_at: usize,
}

impl SyncPace {
    /// Creates a pace of this many bytes per second for each user; 0 counts as 1.
    pub(super) fn new(per_second: usize) -> Self {
        let users = PacedUsers { due: HashMap::new(), sweep_at: SWEEP_FROM };
        Self { per_second: per_second.max(1) as u64, users: Mutex::new(users) }
    }

    /// Returns until when no further answer to a user should be made, if they have been sent too much.
    pub(super) fn paused_until(&self, user: UserId, now: Instant) -> Option<Instant> {
        let due = self.users.lock().due.get(&user).copied()?;
        due.checked_sub(BURST).filter(|until| now < *until)
    }

    /// Counts an answer that was made at `now`.
    pub(super) fn count(&self, user: UserId, bytes: usize, now: Instant) {
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(self.per_second);
        // A year is longer than anything that is asked for here.
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let takes = takes.min(Duration::from_hours(24 * 365));
        let mut users = self.users.lock();
        let due = users.due.entry(user).or_insert(now);
        *due = (*due).max(now) + takes;
        if users.due.len() >= users.sweep_at {
            users.due.retain(|_, due| now < *due);
            users.sweep_at = (users.due.len() * 2).max(SWEEP_FROM);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use crate::{
        domain::UserId,
        room::sync_pace::{SWEEP_FROM, SyncPace},
    };

    #[test]
    fn a_burst_is_sent_at_once_and_more_at_the_steady_rate() {
        let (pace, now) = (SyncPace::new(100), Instant::now());
        let [mallory, alice] = [(); 2].map(|()| UserId::new());
        pace.count(mallory, 800, now);
        assert_eq!(pace.paused_until(mallory, now), None);
        pace.count(mallory, 1_000, now);
        assert_eq!(pace.paused_until(mallory, now), Some(now + Duration::from_secs(10)));
        assert_eq!(pace.paused_until(alice, now), None);
        let later = now + Duration::from_secs(10);
        assert_eq!(pace.paused_until(mallory, later), None);
        pace.count(mallory, 100, later);
        assert_eq!(pace.paused_until(mallory, later), Some(later + Duration::from_secs(1)));
        pace.count(alice, usize::MAX, now);
        assert!(pace.paused_until(alice, later).is_some());
    }

    #[test]
    fn users_below_the_rate_are_forgotten() {
        let (pace, now) = (SyncPace::new(1), Instant::now());
        for _ in 0..SWEEP_FROM - 1 {
            pace.count(UserId::new(), 1, now);
        }
        pace.count(UserId::new(), 1, now + Duration::from_secs(5));
        assert_eq!(pace.users.lock().due.len(), 1);
    }
}
