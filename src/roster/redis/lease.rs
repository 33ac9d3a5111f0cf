//! When a node renews its lease, and when it may declare others dead. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::roster::RosterOptions;

/// The clockwork of one node's lease.
#[derive(Debug)]
pub(super) struct Lease {
    options: RosterOptions,
    /// Since when every question was answered in time; none while the last one was not.
    well_since: Option<Instant>,
    answered: Instant,
    next_renewal: Instant,
}

impl Lease {
    /// The lease is due at once.
    pub(super) fn new(options: RosterOptions, now: Instant) -> Self {
        Self { options, well_since: None, answered: now, next_renewal: now }
    }

    /// Whether it has to be renewed now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_renewal
    }

    /// It was renewed.
    pub(super) fn renewed(&mut self, now: Instant) {
        self.next_renewal = now + self.options.renew_every;
    }

    /// The roster answered.
    pub(super) fn answered(&mut self, now: Instant) {
        // Whoever slept that long does not know what the others did meanwhile.
        if now.duration_since(self.answered) > 2 * self.options.renew_every {
            self.well_since = None;
        }
        self.answered = now;
        self.well_since.get_or_insert(now);
    }

    /// The roster did not answer. The lease is renewed as soon as it does again.
    pub(super) fn failed(&mut self, now: Instant) {
        self.well_since = None;
        self.next_renewal = now;
    }

    /// Whether those whose lease ran out may be declared dead: not before all of them had the time to renew it after the
    /// roster was away.
    pub(super) fn may_declare(&self, now: Instant) -> bool {
        self.well_since.is_some_and(|since| now.duration_since(since) >= self.options.lease)
    }

    /// How long the roster is given to be itself again.
    pub(super) fn length(&self) -> Duration {
        self.options.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn lease(now: Instant) -> Lease {
        Lease::new(RosterOptions { lease: seconds(15), renew_every: seconds(5) }, now)
    }

    #[test]
    fn it_is_renewed_at_once_and_then_at_its_interval() {
        let start = Instant::now();
        let mut lease = lease(start);
        assert!(lease.is_due(start));
        lease.renewed(start);
        assert!(!lease.is_due(start + seconds(4)));
        assert!(lease.is_due(start + seconds(5)));
        lease.failed(start + seconds(1));
        assert!(lease.is_due(start + seconds(1)), "as soon as it is back");
    }

    #[test]
    fn nobody_is_declared_dead_until_a_lease_has_passed_without_trouble() {
        let start = Instant::now();
        let mut lease = lease(start);
        assert!(!lease.may_declare(start));
        for second in 0..=15 {
            lease.answered(start + seconds(second));
            assert_eq!(lease.may_declare(start + seconds(second)), second == 15);
        }
        lease.failed(start + seconds(16));
        lease.answered(start + seconds(17));
        assert!(!lease.may_declare(start + seconds(31)));
        assert!(lease.may_declare(start + seconds(32)));
    }

    #[test]
    fn whoever_slept_does_not_judge_those_who_did_not() {
        let start = Instant::now();
        let mut lease = lease(start);
        lease.answered(start);
        lease.answered(start + seconds(60));
        assert!(!lease.may_declare(start + seconds(60)));
    }
}
