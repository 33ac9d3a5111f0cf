//! Judges by observation which nodes are alive, and which incarnations are gone. Pure: time is an argument.
//!
//! The score of a live node changes whenever it renews its lease, and the score of a dead node changes with every round
//! of its sweep. A record whose score stays the same for the length of a lease is *expired*: its node has died, or the node
//! that swept it. An incarnation is *gone* if the set of nodes has lacked it for the length of a lease.
//!
//! All of this is measured with this node's monotonic clock, so a step of Redis's clock does not matter. Nothing that was
//! observed before an outage of Redis or a suspension of this node counts: every node first gets the length of a lease to
//! renew its own.

use std::{collections::HashMap, time::Duration};

use indexmap::IndexMap;
use tokio::time::Instant;

use super::nodes::NodeRecord;
use crate::{roster::RosterOptions, wire::envelope::Incarnation};

/// The most missing incarnations that are remembered. There are a few for each node that was replaced. A forgotten one
/// that still has entries is added again.
const MAX_MISSING: usize = 1024;

/// What this node has observed of all nodes.
#[derive(Debug)]
pub(super) struct NodeObserver {
    lease: Duration,
    /// The longest time between two observations that belong together.
    max_pause: Duration,
    /// When the set of nodes was last read. `None` after an interruption.
    observed_at: Option<Instant>,
    /// The records that were read last, and since when their scores have been the same.
    records: HashMap<Incarnation, (NodeRecord, Instant)>,
    /// Since when an incarnation has been missing from the set, in order of time.
    missing: IndexMap<Incarnation, Instant>,
}

impl NodeObserver {
    pub(super) fn new(options: RosterOptions) -> Self {
        Self {
            lease: options.lease,
            max_pause: 2 * options.renew_every,
            observed_at: None,
            records: HashMap::new(),
            missing: IndexMap::new(),
        }
    }

    /// Records what the set of nodes contains now.
    pub(super) fn observe(&mut self, records: &[NodeRecord], now: Instant) {
        if !self.is_current(now) {
            self.interrupt();
        }
        self.observed_at = Some(now);
        let mut before = std::mem::take(&mut self.records);
        for record in records {
            let incarnation = record.member.incarnation;
            self.missing.shift_remove(&incarnation);
            let since = match before.remove(&incarnation) {
                Some((known, since)) if known.score == record.score => since,
                _ => now,
            };
            self.records.insert(incarnation, (*record, since));
        }
        for incarnation in before.into_keys() {
            self.missing_since(incarnation, now);
        }
    }

    /// Forgets all observations, because Redis did not respond. The next record starts a new observation.
    pub(super) fn interrupt(&mut self) {
        self.observed_at = None;
        self.records.clear();
        self.missing.clear();
    }

    /// Returns the records whose scores have been the same for the length of a lease.
    pub(super) fn expired(&self, now: Instant) -> Vec<NodeRecord> {
        let is_expired = |since: Instant| now.duration_since(since) >= self.lease;
        let expired = self.records.values().filter(|(_, since)| is_expired(*since));
        expired.map(|(record, _)| *record).collect()
    }

    /// Returns whether an incarnation that has an entry in the roster is neither alive nor dead with entries that are
    /// still being removed.
    pub(super) fn is_gone(&mut self, incarnation: Incarnation, now: Instant) -> bool {
        if !self.is_current(now) || self.records.contains_key(&incarnation) {
            return false;
        }
        now.duration_since(self.missing_since(incarnation, now)) >= self.lease
    }

    /// Returns since when an incarnation has been missing: since now, if it was not known to be.
    fn missing_since(&mut self, incarnation: Incarnation, now: Instant) -> Instant {
        if self.missing.len() >= MAX_MISSING && !self.missing.contains_key(&incarnation) {
            self.missing.shift_remove_index(0);
        }
        *self.missing.entry(incarnation).or_insert(now)
    }

    /// Returns whether the last observation is recent enough.
    fn is_current(&self, now: Instant) -> bool {
        // A process that was suspended does not know whether Redis was available to the other nodes.
        self.observed_at.is_some_and(|at| now.duration_since(at) <= self.max_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::nodes::NodeMember, *};

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn observer() -> NodeObserver {
        NodeObserver::new(RosterOptions { lease: seconds(15), renew_every: seconds(5) })
    }

    fn record(score: i64) -> NodeRecord {
        NodeRecord { member: NodeMember { incarnation: Incarnation::new_v4(), version: 3 }, score }
    }

    /// Observes the same records once a second for `count` seconds, beginning at `start`. Returns the time of the last
    /// observation.
    fn observe_for(
        observer: &mut NodeObserver,
        records: &[NodeRecord],
        start: Instant,
        count: u64,
    ) -> Instant {
        for second in 0..=count {
            observer.observe(records, start + seconds(second));
        }
        start + seconds(count)
    }

    #[test]
    fn a_record_expires_when_its_score_stays_the_same_for_a_lease() {
        let (mut observer, start) = (observer(), Instant::now());
        let records = [record(1_000), record(-1)];
        let now = observe_for(&mut observer, &records, start, 14);
        assert_eq!(observer.expired(now), []);
        let now = observe_for(&mut observer, &records, now, 1);
        let mut expired = observer.expired(now);
        expired.sort_by_key(|record| -record.score);
        assert_eq!(expired, records);
    }

    #[test]
    fn no_step_of_the_clock_that_scores_follow_expires_a_record_or_keeps_it() {
        let (mut observer, start) = (observer(), Instant::now());
        let (mut alive, dead) = (record(0), record(3_600_000));
        // The clock is right, an hour behind, and then an hour ahead.
        let hour = 3_600_000;
        for (second, offset) in (0..60).zip([0, -hour, hour].into_iter().cycle()) {
            let now = start + seconds(second);
            alive.score = 2 * hour + offset + 1_000 * i64::try_from(second).unwrap();
            observer.observe(&[alive, dead], now);
            let expected = if second < 15 { vec![] } else { vec![dead] };
            assert_eq!(observer.expired(now), expected);
        }
    }

    #[test]
    fn nothing_from_before_an_outage_or_a_suspension_counts() {
        let (mut observer, start) = (observer(), Instant::now());
        let (records, gone) = ([record(1_000)], Incarnation::new_v4());
        let now = observe_for(&mut observer, &records, start, 10);
        assert!(!observer.is_gone(gone, now));
        observer.interrupt();
        let now = observe_for(&mut observer, &records, now, 10);
        assert_eq!(observer.expired(now), []);
        assert!(!observer.is_gone(gone, now), "met for the first time after the outage");

        // More than two renewals later.
        let resumed = now + seconds(60);
        assert!(!observer.is_gone(gone, resumed), "the last observation is old");
        observer.observe(&records, resumed);
        assert_eq!(observer.expired(resumed), []);
        assert!(!observer.is_gone(gone, resumed));
        let now = observe_for(&mut observer, &records, resumed, 15);
        assert_eq!(observer.expired(now), records);
        assert!(observer.is_gone(gone, now));
    }

    #[test]
    fn an_incarnation_is_gone_when_it_has_been_missing_for_a_lease() {
        let (mut observer, start) = (observer(), Instant::now());
        let (stays, leaves, unknown) = (record(1), record(-1), Incarnation::new_v4());
        assert!(!observer.is_gone(unknown, start), "nothing has been observed yet");
        let now = observe_for(&mut observer, &[stays, leaves], start, 1);
        let left = observe_for(&mut observer, &[stays], now, 1);
        assert!(!observer.is_gone(unknown, left));
        let now = observe_for(&mut observer, &[stays], left, 14);
        assert!(!observer.is_gone(leaves.member.incarnation, now - seconds(1)));
        assert!(observer.is_gone(leaves.member.incarnation, now), "this node saw it leave");
        assert!(!observer.is_gone(unknown, now), "met a second later than that one left");
        let now = observe_for(&mut observer, &[stays], now, 1);
        assert!(observer.is_gone(unknown, now));
        assert!(!observer.is_gone(stays.member.incarnation, now));

        // A node whose lease Redis had lost creates it again.
        let now = observe_for(&mut observer, &[stays, leaves], now, 1);
        assert!(!observer.is_gone(leaves.member.incarnation, now));
    }

    #[test]
    fn only_so_many_missing_incarnations_are_remembered() {
        let (mut observer, start) = (observer(), Instant::now());
        observer.observe(&[], start);
        for _ in 0..2 * MAX_MISSING {
            observer.is_gone(Incarnation::new_v4(), start);
        }
        assert_eq!(observer.missing.len(), MAX_MISSING);
    }
}
