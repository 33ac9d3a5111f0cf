//! Decides when a node renews its lease. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::roster::RosterOptions;

/// The timing of one node's lease.
#[derive(Debug)]
pub(super) struct Lease {
    options: RosterOptions,
    next_renewal: Instant,
}

impl Lease {
    /// Creates a lease that is due immediately.
    pub(super) fn new(options: RosterOptions, now: Instant) -> Self {
        Self { options, next_renewal: now }
    }

    /// Returns whether the lease has to be renewed now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next_renewal
    }

    /// Records a renewal.
    pub(super) fn renewed(&mut self, now: Instant) {
        self.next_renewal = now + self.options.renew_every;
    }

    /// Records a failed command. The lease becomes due immediately.
    pub(super) fn failed(&mut self, now: Instant) {
        self.next_renewal = now;
    }

    /// Returns how long the lease is valid after a renewal.
    pub(super) fn length(&self) -> Duration {
        self.options.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_due_immediately_then_at_its_interval_and_after_a_failure() {
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let options = RosterOptions { lease: seconds(15), renew_every: seconds(5) };
        let mut lease = Lease::new(options, start);
        assert!(lease.is_due(start));
        lease.renewed(start);
        assert!(!lease.is_due(start + seconds(4)));
        assert!(lease.is_due(start + seconds(5)));
        lease.failed(start + seconds(1));
        assert!(lease.is_due(start + seconds(1)));
    }
}
