//! Decides when a node renews its lease, and when it may declare other nodes dead. Pure: time is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::roster::RosterOptions;

/// The timing of one node's lease.
#[derive(Debug)]
pub(super) struct Lease {
    options: RosterOptions,
    /// Since when Redis has responded without a failure or a long pause. `None` after a failure.
    stable_since: Option<Instant>,
    last_response: Instant,
    next_renewal: Instant,
}

impl Lease {
    /// Creates a lease that is due immediately.
    pub(super) fn new(options: RosterOptions, now: Instant) -> Self {
        Self { options, stable_since: None, last_response: now, next_renewal: now }
    }

    /// Returns whether the lease has to be renewed now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_renewal
    }

    /// Records a renewal.
    pub(super) fn renewed(&mut self, now: Instant) {
        self.next_renewal = now + self.options.renew_every;
    }

    /// Records a response of Redis.
    pub(super) fn responded(&mut self, now: Instant) {
        // A process that was suspended does not know whether Redis was available to the other nodes.
        if now.duration_since(self.last_response) > 2 * self.options.renew_every {
            self.stable_since = None;
        }
        self.last_response = now;
        self.stable_since.get_or_insert(now);
    }

    /// Records a failed command. The lease becomes due immediately.
    pub(super) fn failed(&mut self, now: Instant) {
        self.stable_since = None;
        self.next_renewal = now;
    }

    /// Returns whether nodes with an expired lease may be declared dead. After an outage of Redis all
    /// nodes first get the length of a lease to renew theirs.
    pub(super) fn may_declare_dead(&self, now: Instant) -> bool {
        self.stable_since.is_some_and(|since| now.duration_since(since) >= self.options.lease)
    }

    /// Returns how long the lease is valid after a renewal.
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
    fn a_lease_is_due_immediately_then_at_its_interval_and_after_a_failure() {
        let start = Instant::now();
        let mut lease = lease(start);
        assert!(lease.is_due(start));
        lease.renewed(start);
        assert!(!lease.is_due(start + seconds(4)));
        assert!(lease.is_due(start + seconds(5)));
        lease.failed(start + seconds(1));
        assert!(lease.is_due(start + seconds(1)));
    }

    #[test]
    fn no_node_is_declared_dead_until_redis_was_stable_for_the_length_of_a_lease() {
        let start = Instant::now();
        let mut lease = lease(start);
        assert!(!lease.may_declare_dead(start));
        for second in 0..=15 {
            lease.responded(start + seconds(second));
            assert_eq!(lease.may_declare_dead(start + seconds(second)), second == 15);
        }
        lease.failed(start + seconds(16));
        lease.responded(start + seconds(17));
        assert!(!lease.may_declare_dead(start + seconds(31)));
        assert!(lease.may_declare_dead(start + seconds(32)));
    }

    #[test]
    fn a_suspended_node_does_not_declare_others_dead_when_it_resumes() {
        let start = Instant::now();
        let mut lease = lease(start);
        lease.responded(start);
        lease.responded(start + seconds(60));
        assert!(!lease.may_declare_dead(start + seconds(60)));
    }
}
