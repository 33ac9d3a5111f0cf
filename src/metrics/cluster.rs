//! What can be counted where there are several nodes: the relay between them and the roster that they share.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::{Metrics, meters::Declarations, meters::SECONDS};

/// Why an envelope was not taken in. They exist from the start, so that an alert sees the first one.
const IGNORED: [&str; 2] = ["garbage", "unknown_version"];

/// The meters themselves.
pub(super) struct ClusterMetrics {
    relay_up: IntGauge,
    relay_deaf: IntGauge,
    relay_lag_seconds: Histogram,
    relay_reconnects: IntCounter,
    relay_overflows: IntCounter,
    relay_documents: IntGauge,
    envelopes_ignored: IntCounterVec,
    roster_up: IntGauge,
    nodes: IntGauge,
    incarnations: IntCounter,
    sessions_swept: IntCounter,
    sessions_over_limit: IntCounter,
}

impl ClusterMetrics {
    pub(super) fn new(declare: &Declarations) -> Self {
        let envelopes_ignored = declare.counters(
            "coscribe_relay_ignored_total",
            "Envelopes that came from the relay and were not understood, by reason.",
            &["reason"],
        );
        for reason in IGNORED {
            envelopes_ignored.with_label_values(&[reason]);
        }
        Self {
            relay_up: declare.gauge(
                "coscribe_relay_up",
                "Whether what is published to the other nodes arrives: 1 or 0; 0 on a node that has no relay.",
            ),
            relay_deaf: declare.gauge(
                "coscribe_relay_deaf",
                "Whether Redis answers but nothing comes through, which makes the node unready: 1 or 0.",
            ),
            relay_lag_seconds: declare.histogram(
                "coscribe_relay_lag_seconds",
                "Time from publishing to oneself until it came back, once a second.",
                &SECONDS,
            ),
            relay_reconnects: declare.counter(
                "coscribe_relay_reconnects_total",
                "Connections to the relay that broke and were made anew.",
            ),
            relay_overflows: declare.counter(
                "coscribe_relay_overflows_total",
                "Envelopes that could not be published because too much waited; the other nodes are told to compare.",
            ),
            relay_documents: declare.gauge(
                "coscribe_relay_documents",
                "Documents of which this node wants to hear now.",
            ),
            envelopes_ignored,
            roster_up: declare.gauge(
                "coscribe_roster_up",
                "Whether the shared roster answers: 1 or 0; 0 on a node that has none.",
            ),
            nodes: declare.gauge("coscribe_nodes", "Nodes that are alive, as far as this one knows."),
            incarnations: declare.counter(
                "coscribe_roster_incarnations_total",
                "How often this node entered its sessions in the shared roster anew.",
            ),
            sessions_swept: declare.counter(
                "coscribe_roster_swept_total",
                "Entries of dead nodes that this node removed from the shared roster.",
            ),
            sessions_over_limit: declare.counter(
                "coscribe_roster_over_limit_total",
                "Sessions closed because their user turned out to have too many once the roster was back.",
            ),
        }
    }
}

impl Metrics {
    /// The relay does well, or is deaf; neither when it is away.
    pub fn relay_is(&self, is_well: bool, is_deaf: bool) {
        self.0.cluster.relay_up.set(i64::from(is_well));
        self.0.cluster.relay_deaf.set(i64::from(is_deaf));
    }

    /// What was published came back after so long.
    pub fn relay_lagged(&self, lag: Duration) {
        self.0.cluster.relay_lag_seconds.observe(lag.as_secs_f64());
    }

    /// The connection to the relay was lost.
    pub fn relay_lost(&self) {
        self.0.cluster.relay_reconnects.inc();
    }

    /// Something could not be published because too much waited.
    pub fn relay_overflowed(&self) {
        self.0.cluster.relay_overflows.inc();
    }

    /// The relay wants to hear of so many documents.
    pub fn relay_listens(&self, documents: usize) {
        self.0.cluster.relay_documents.set(i64::try_from(documents).unwrap_or(i64::MAX));
    }

    /// An envelope was not understood. `reason` is a word from our own code.
    pub fn envelope_ignored(&self, reason: &'static str) {
        self.0.cluster.envelopes_ignored.with_label_values(&[reason]).inc();
    }

    /// The shared roster answers, or does not.
    pub fn roster_is(&self, is_up: bool) {
        self.0.cluster.roster_up.set(i64::from(is_up));
    }

    /// So many nodes are alive.
    pub fn nodes_alive(&self, nodes: usize) {
        self.0.cluster.nodes.set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    /// This node entered its sessions anew.
    pub fn incarnated(&self) {
        self.0.cluster.incarnations.inc();
    }

    /// So many entries of dead nodes were removed.
    pub fn swept(&self, entries: u64) {
        self.0.cluster.sessions_swept.inc_by(entries);
    }

    /// A session was closed because its user turned out to have too many.
    pub fn session_over_limit(&self) {
        self.0.cluster.sessions_over_limit.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_moves_its_meter() {
        let metrics = Metrics::new();
        metrics.relay_is(true, false);
        metrics.relay_lagged(Duration::from_millis(2));
        metrics.relay_lost();
        metrics.relay_overflowed();
        metrics.relay_listens(7);
        metrics.envelope_ignored("garbage");
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
