//! What a node records about other nodes: the relay to them and the roster that they share.

use std::time::Duration;

use super::Metrics;

impl Metrics {
    /// Records whether the relay works, and whether it is deaf: Redis responds but delivers no messages. Both are
    /// false while Redis does not respond.
    pub fn relay_is(&self, is_well: bool, is_deaf: bool) {
        self.0.relay_up.set(i64::from(is_well));
        self.0.relay_deaf.set(i64::from(is_deaf));
    }

    /// Records the round trip of a message that this node published to itself.
    pub fn relay_lagged(&self, lag: Duration) {
        self.0.relay_lag_seconds.observe(lag);
    }

    /// Counts a lost connection to the relay.
    pub fn relay_lost(&self) {
        self.0.relay_reconnects.inc();
    }

    /// Counts an envelope that was dropped because the publish queue was full.
    pub fn relay_overflowed(&self) {
        self.0.relay_overflows.inc();
    }

    /// Sets the number of documents that this node subscribes to.
    pub fn relay_listens(&self, documents: usize) {
        self.0.relay_documents.set(i64::try_from(documents).unwrap_or(i64::MAX));
    }

    /// Counts an envelope that was not delivered. `reason` is a constant of ours, never input.
    pub fn envelope_ignored(&self, reason: &'static str) {
        self.0.envelopes_ignored.inc(reason);
    }

    /// Counts that the relay had delivered changes of a document that the database does not have.
    pub fn relay_contradicted(&self) {
        self.0.relay_contradicted.inc();
    }

    /// Records whether the shared roster responds.
    pub fn roster_is(&self, is_up: bool) {
        self.0.roster_up.set(i64::from(is_up));
    }

    /// Sets the number of live nodes.
    pub fn nodes_alive(&self, nodes: usize) {
        self.0.nodes.set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    /// Counts that this node lost its lease and registered its sessions again.
    pub fn incarnated(&self) {
        self.0.incarnations.inc();
    }

    /// Counts entries of dead nodes that this node removed.
    pub fn swept(&self, entries: u64) {
        self.0.sessions_swept.inc_by(entries);
    }

    /// Counts a session that was closed because its user turned out to have too many.
    pub fn session_over_limit(&self) {
        self.0.sessions_over_limit.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_moves_its_metric() {
        let metrics = Metrics::new();
        metrics.relay_is(true, false);
        metrics.relay_lagged(Duration::from_millis(2));
        metrics.relay_lost();
        metrics.relay_overflowed();
        metrics.relay_listens(7);
        metrics.envelope_ignored("garbage");
        metrics.relay_contradicted();
        metrics.roster_is(true);
        metrics.nodes_alive(3);
        metrics.incarnated();
        metrics.swept(4);
        metrics.session_over_limit();
        let page = metrics.render().unwrap();
        for line in [
            "coscribe_relay_up 1",
            "coscribe_relay_deaf 0",
            "coscribe_relay_lag_seconds_bucket{le=\"0.001\"} 0",
            "coscribe_relay_lag_seconds_bucket{le=\"0.0025\"} 1",
            "coscribe_relay_reconnects_total 1",
            "coscribe_relay_overflows_total 1",
            "coscribe_relay_documents 7",
            "coscribe_relay_ignored_total{reason=\"garbage\"} 1",
            "coscribe_relay_ignored_total{reason=\"unknown_version\"} 0",
            "coscribe_relay_contradicted_total 1",
            "coscribe_roster_up 1",
            "coscribe_nodes 3",
            "coscribe_roster_incarnations_total 1",
            "coscribe_roster_swept_total 4",
            "coscribe_roster_over_limit_total 1",
        ] {
            assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
        }
    }
}
