//! When an editor that is out of sync, or whose updates could not be stored, is asked for the updates that are missing.

use std::time::Duration;

use tokio::time::Instant;

/// The wait before the first request. The missing updates are usually on their way already.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait. Each request that does not help doubles the wait up to this.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Schedules sync step 1 for an editor of whose updates some are missing. Pure; time is an argument.
#[derive(Debug, Default)]
pub(super) struct Resync {
    /// The number of times in a row that the editor was out of sync or an update was refused.
    failures: u32,
    due_at: Option<Instant>,
    /// Until when further updates wait, because the last one was refused.
    paused_until: Option<Instant>,
}

impl Resync {
    /// Notes that updates are missing: one depends on others that are, could not be stored, or was stored although an earlier
    /// one was not.
    pub(super) fn out_of_sync(&mut self, now: Instant) {
        let wait = self.next_wait();
        self.due_at.get_or_insert(now + wait);
    }

    /// Notes that an update was refused. Later ones depend on it, so the editor will send it again when it is asked. They wait,
    /// because merging only to refuse may take long.
    pub(super) fn refused(&mut self, now: Instant) {
        self.paused_until = Some(now + self.next_wait());
    }

    /// Notes that an update was not stored because of a quota. Later ones wait, and the editor is asked for all of them after
    /// that.
    pub(super) fn postponed(&mut self, now: Instant) {
        let until = now + self.next_wait();
        self.paused_until = Some(until);
        self.due_at.get_or_insert(until);
    }

    fn next_wait(&mut self) -> Duration {
        // Eight doublings exceed the longest wait.
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(8)).min(MAX_WAIT);
        self.failures += 1;
        wait
    }

    /// Returns until when updates wait, if they do.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Notes that an update was stored, and nothing is missing.
    pub(super) fn in_sync(&mut self) {
        self.failures = 0;
    }

    /// Returns when sync step 1 is due, if it is to be sent.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// Notes that sync step 1 is being sent.
    pub(super) fn requested(&mut self) {
        self.due_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_an_update_is_stored() {
        let now = Instant::now();
        let mut resync = Resync::default();
        let mut next_wait = || {
            resync.out_of_sync(now);
            let wait = resync.due_at().map(|at| at - now);
            resync.requested();
            wait.unwrap().as_millis()
        };
        assert_eq!([next_wait(), next_wait(), next_wait()], [50, 100, 200]);
        for _ in 0..20 {
            next_wait();
        }
        assert_eq!(next_wait(), 10_000);

        resync.in_sync();
        resync.out_of_sync(now);
        assert_eq!(resync.due_at(), Some(now + FIRST_WAIT));
    }

    #[test]
    fn an_editor_whose_updates_are_refused_is_asked_less_and_less_often() {
        let now = Instant::now();
        let mut resync = Resync::default();
        for expected in [50, 200, 800] {
            resync.out_of_sync(now);
            assert_eq!(resync.due_at(), Some(now + Duration::from_millis(expected)));
            resync.requested();
            resync.refused(now);
            assert_eq!(resync.due_at(), None);
            let pause = Duration::from_millis(2 * expected);
            assert_eq!(resync.paused_until(now), Some(now + pause));
            assert_eq!(resync.paused_until(now + pause), None);
        }
    }

    #[test]
    fn an_editor_over_a_quota_is_asked_again_after_the_pause() {
        let now = Instant::now();
        let mut resync = Resync::default();
        for expected in [50, 100, 200] {
            resync.postponed(now);
            let until = Some(now + Duration::from_millis(expected));
            assert_eq!((resync.paused_until(now), resync.due_at()), (until, until));
            resync.requested();
        }
    }

    #[test]
    fn a_scheduled_request_is_not_postponed() {
        let now = Instant::now();
        let mut resync = Resync::default();
        resync.out_of_sync(now);
        resync.out_of_sync(now + Duration::from_millis(40));
        assert_eq!(resync.due_at(), Some(now + FIRST_WAIT));
        resync.requested();
        assert_eq!(resync.due_at(), None);
    }
}
