//! Every meter, declared once, each with a sentence of help.
//!
//! The first four names were promised to operators before there was a prefix; they stay as they are, although
//! one of them ends in `_total` and is a gauge.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};

use super::{
    AccessOutcome, ActorKind, OperationKind, OperationOutcome, cluster::ClusterMetrics,
    family::Family, labels::Label,
};
use crate::domain::Topic;

/// Bounds for how long things take, in seconds: fine below the 100 ms within which a change should be seen.
pub(super) const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Bounds for what waits in one outbox, in bytes: 1 KiB to 16 MiB.
const BYTES: [f64; 8] =
    [1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// The reasons that exist from the start, so that an alert sees the first failure. Others may be added by use.
const AUTH_FAILURES: [&str; 14] = [
    "bad_signature",
    "bad_subject",
    "busy",
    "expired",
    "malformed",
    "missing",
    "no_expiry",
    "not_yet_valid",
    "rate_limited",
    "unknown_user",
    "wrong_algorithm",
    "wrong_audience",
    "wrong_credentials",
    "wrong_issuer",
];

/// The meters of one node. Clones are cheap and move the same meters.
#[derive(Clone)]
pub struct Metrics(pub(super) Arc<MetricFamilies>);

/// The meters themselves, private to the verbs.
pub(super) struct MetricFamilies {
    registry: Registry,
    pub(super) websocket_connections: IntGauge,
    pub(super) auth_failures: IntCounterVec,
    pub(super) permission_denials: IntCounter,
    pub(super) subscriptions: Family<Topic, IntGauge>,
    pub(super) deliveries: Family<Topic, IntCounter>,
    pub(super) delivery_seconds: Family<Topic, Histogram>,
    pub(super) publishes: IntCounter,
    pub(super) edit_commit_seconds: Histogram,
    pub(super) mailbox_wait_seconds: Family<ActorKind, Histogram>,
    pub(super) mailbox_messages: Family<ActorKind, IntGauge>,
    pub(super) mailbox_full: Family<ActorKind, IntCounter>,
    pub(super) outbox_bytes: IntGauge,
    pub(super) outbox_session_bytes: Histogram,
    pub(super) outbox_bound_reached: IntCounter,
    pub(super) cursors_dropped: IntCounter,
    pub(super) seats_overflowed: IntCounter,
    pub(super) seats_behind: IntGauge,
    pub(super) replays: IntCounter,
    pub(super) session_closes: IntCounterVec,
    pub(super) rooms: IntGauge,
    pub(super) members: IntGauge,
    pub(super) slots_refused: IntCounter,
    pub(super) access_checks: Family<AccessOutcome, IntCounter>,
    pub(super) operations: Family<OperationKind, Family<OperationOutcome, IntCounter>>,
    pub(super) operation_cache_hits: IntCounter,
    pub(super) operation_cache_misses: IntCounter,
    pub(super) cluster: ClusterMetrics,
}

impl Metrics {
    /// All meters at zero, in a registry of their own.
    #[must_use]
    pub fn new() -> Self {
        let declare = Declarations(Registry::new());
        declare.process();
        let operation_cache = declare.counters(
            "coscribe_operation_cache_total",
            "Operations looked up in the cache of parsed operations, by outcome.",
            &["outcome"],
        );
        Self(Arc::new(MetricFamilies {
            websocket_connections: declare
                .gauge("active_websocket_connections", "Sockets that are open now."),
            auth_failures: auth_failures(&declare),
            permission_denials: declare.counter(
                "permission_denials_total",
                "Requests refused because the user lacks the access that they need.",
            ),
            subscriptions: declare.gauge_family(
                "active_subscriptions_total",
                "Subscriptions that are open now, by topic.",
                "topic",
            ),
            deliveries: declare.counter_family(
                "coscribe_deliveries_total",
                "Events put into the outbox of a subscriber, by topic.",
                "topic",
            ),
            delivery_seconds: declare.histogram_family(
                "coscribe_delivery_seconds",
                "Time from the acceptance of an event until it is in the outboxes, by topic.",
                "topic",
            ),
            publishes: declare
                .counter("coscribe_publishes_total", "Events handed to the relay between nodes."),
            edit_commit_seconds: declare.histogram(
                "coscribe_edit_commit_seconds",
                "Time from the acceptance of a change until it is stored.",
                &SECONDS,
            ),
            mailbox_wait_seconds: declare.histogram_family(
                "coscribe_mailbox_wait_seconds",
                "Time that messages waited in a mailbox, by kind of actor.",
                "actor",
            ),
            mailbox_messages: declare.gauge_family(
                "coscribe_mailbox_messages",
                "Messages that wait in mailboxes, by kind of actor.",
                "actor",
            ),
            mailbox_full: declare.counter_family(
                "coscribe_mailbox_full_total",
                "Messages refused because a mailbox was full, by kind of actor.",
                "actor",
            ),
            outbox_bytes: declare.gauge(
                "coscribe_outbox_bytes",
                "Bytes that wait for sockets now, over all sessions.",
            ),
            outbox_session_bytes: declare.histogram(
                "coscribe_outbox_session_bytes",
                "Bytes that wait for the socket of one session, whenever its session looks.",
                &BYTES,
            ),
            outbox_bound_reached: declare.counter(
                "coscribe_outbox_bound_reached_total",
                "Sessions whose outbox reached its bound, each counted once.",
            ),
            cursors_dropped: declare.counter(
                "coscribe_cursors_dropped_total",
                "Cursor moves dropped because a queue was full.",
            ),
            seats_overflowed: declare.counter(
                "coscribe_seats_overflowed_total",
                "Subscriptions whose waiting events were dropped because the outbox was full.",
            ),
            seats_behind: declare.gauge(
                "coscribe_seats_behind",
                "Subscriptions to changes that are being sent what they missed.",
            ),
            replays: declare.counter(
                "coscribe_replays_total",
                "Pages of changes that were sent again to subscriptions that were behind.",
            ),
            session_closes: declare.counters(
                "coscribe_session_closes_total",
                "Sessions that ended, by reason.",
                &["reason"],
            ),
            rooms: declare.gauge("coscribe_rooms", "Documents that are open on this node now."),
            members: declare.gauge(
                "coscribe_members",
                "Sessions in rooms of this node now; one counts in every room it is in.",
            ),
            slots_refused: declare.counter(
                "coscribe_slots_refused_total",
                "Sessions refused because their user has too many already.",
            ),
            access_checks: declare.counter_family(
                "coscribe_access_checks_total",
                "Questions whether a user may do something with a document, by outcome.",
                "outcome",
            ),
            operations: operations(&declare),
            operation_cache_hits: operation_cache.with_label_values(&["hit"]),
            operation_cache_misses: operation_cache.with_label_values(&["miss"]),
            cluster: ClusterMetrics::new(&declare),
            registry: declare.0,
        }))
    }

    /// The registry, for meters that a library keeps by itself. Clones of it are the same registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The metrics page, in the text format of Prometheus (`text/plain; version=0.0.4`).
    ///
    /// # Errors
    /// A meter that a library added to the registry cannot be written.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn auth_failures(declare: &Declarations) -> IntCounterVec {
    let counters = declare.counters(
        "auth_failures_total",
        "Tokens and sign-ins that were not accepted, by reason.",
        &["reason"],
    );
    for reason in AUTH_FAILURES {
        counters.with_label_values(&[reason]);
    }
    counters
}

fn operations(
    declare: &Declarations,
) -> Family<OperationKind, Family<OperationOutcome, IntCounter>> {
    let counters = declare.counters(
        "coscribe_operations_total",
        "GraphQL operations that ended (subscriptions: that began), by kind and outcome.",
        &["kind", "outcome"],
    );
    Family::new(|kind: OperationKind| {
        Family::new(|outcome: OperationOutcome| {
            counters.with_label_values(&[kind.text(), outcome.text()])
        })
    })
}

/// Makes meters and enters them into the registry.
pub(super) struct Declarations(Registry);

impl Declarations {
    /// Enters a meter. Names and help are constants of this file, and any test that makes meters tries them.
    fn keep<M: Collector + Clone + 'static>(&self, meter: prometheus::Result<M>) -> M {
        let meter = meter.expect("names and labels are constants that Prometheus accepts");
        self.0.register(Box::new(meter.clone())).expect("every name is declared once");
        meter
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter_family<L: Label>(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Family<L, IntCounter> {
        let counters = self.counters(name, help, &[label]);
        Family::new(|value: L| counters.with_label_values(&[value.text()]))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    fn gauge_family<L: Label>(&self, name: &str, help: &str, label: &str) -> Family<L, IntGauge> {
        let gauges = self.keep(IntGaugeVec::new(Opts::new(name, help), &[label]));
        Family::new(|value: L| gauges.with_label_values(&[value.text()]))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.keep(Histogram::with_opts(options))
    }

    fn histogram_family<L: Label>(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Family<L, Histogram> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let histograms = self.keep(HistogramVec::new(options, &[label]));
        Family::new(|value: L| histograms.with_label_values(&[value.text()]))
    }

    /// CPU, memory, threads and file descriptors, which only Linux tells in this way.
    fn process(&self) {
        #[cfg(target_os = "linux")]
        self.0
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("every name is declared once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_node_shows_every_meter_at_zero() {
        let page = Metrics::new().render().unwrap();
        for line in [
            "active_websocket_connections 0",
            "auth_failures_total{reason=\"expired\"} 0",
            "permission_denials_total 0",
            "active_subscriptions_total{topic=\"changes\"} 0",
            "active_subscriptions_total{topic=\"presence\"} 0",
            "active_subscriptions_total{topic=\"cursors\"} 0",
            "# TYPE active_subscriptions_total gauge",
            "coscribe_deliveries_total{topic=\"cursors\"} 0",
            "coscribe_delivery_seconds_count{topic=\"changes\"} 0",
            "coscribe_mailbox_full_total{actor=\"room\"} 0",
            "coscribe_operations_total{kind=\"mutation\",outcome=\"refused\"} 0",
            "coscribe_operation_cache_total{outcome=\"hit\"} 0",
            "coscribe_access_checks_total{outcome=\"denied\"} 0",
        ] {
            assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_measured() {
        let page = Metrics::new().render().unwrap();
        let line = page.lines().find(|line| line.starts_with("process_resident_memory_bytes "));
        let bytes: u64 = line.unwrap().split_once(' ').unwrap().1.parse().unwrap();
        assert!(bytes > 0);
    }

    #[test]
    fn every_meter_has_a_sentence_of_help() {
        for family in Metrics::new().registry().gather() {
            let help = family.help();
            assert!(help.ends_with('.') && help.contains(' '), "{}: {help:?}", family.name());
        }
    }

    #[test]
    fn request_meters_share_the_registry() {
        let metrics = Metrics::new();
        let requests = actix_web_prom::PrometheusMetricsBuilder::new("coscribe")
            .registry(metrics.registry().clone())
            .build();
        assert!(requests.is_ok());
        let again = IntCounter::new("coscribe_http_requests_total", "Taken.").unwrap();
        assert!(metrics.registry().register(Box::new(again)).is_err());
    }
}
