//! The kinds of metrics that a row of the table can name, and how each is registered.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

use super::{family::Family, labels::Label};

/// Upper bounds of the buckets for durations, in seconds. They are fine below 100 ms, the time within which other
/// users should see a change.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Upper bounds of the buckets for the size of an outbox: 1 KiB to 16 MiB.
const BYTES: [f64; 8] =
    [1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// A kind of metric.
pub(super) trait MetricKind {
    /// Registers a metric at zero, under a name that no other metric has.
    fn register(registry: &Registry, name: &str, help: &str) -> Self;
}

impl MetricKind for IntCounter {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        register(registry, Self::new(name, help))
    }
}

impl MetricKind for IntGauge {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        register(registry, Self::new(name, help))
    }
}

impl<L: Label> MetricKind for Family<L, IntCounter> {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let counters = register(registry, IntCounterVec::new(Opts::new(name, help), &[L::NAME]));
        Self::new(|label: L| counters.with_label_values(&[label.value()]))
    }
}

impl<L: Label> MetricKind for Family<L, IntGauge> {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let gauges = register(registry, IntGaugeVec::new(Opts::new(name, help), &[L::NAME]));
        Self::new(|label: L| gauges.with_label_values(&[label.value()]))
    }
}

impl<A: Label, B: Label> MetricKind for Family<A, Family<B, IntCounter>> {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let labels = [A::NAME, B::NAME];
        let counters = register(registry, IntCounterVec::new(Opts::new(name, help), &labels));
        Self::new(|outer: A| {
            Family::new(|inner: B| counters.with_label_values(&[outer.value(), inner.value()]))
        })
    }
}

/// A counter with the label `reason`, for reasons that lower layers or libraries define.
pub(super) struct ReasonCounter(IntCounterVec);

impl ReasonCounter {
    /// Creates these reasons at zero, so that an alert sees the first occurrence. Others are created by use.
    pub(super) fn starting_with(self, reasons: &[&'static str]) -> Self {
        for reason in reasons {
            self.0.with_label_values(&[reason]);
        }
        self
    }

    /// Adds one. The reason is a constant of ours, never input.
    pub(super) fn inc(&self, reason: &'static str) {
        self.0.with_label_values(&[reason]).inc();
    }
}

impl MetricKind for ReasonCounter {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        Self(register(registry, IntCounterVec::new(Opts::new(name, help), &["reason"])))
    }
}

/// A histogram of durations.
pub(super) struct DurationHistogram(Histogram);

impl DurationHistogram {
    pub(super) fn observe(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

impl MetricKind for DurationHistogram {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        Self(register(registry, Histogram::with_opts(options)))
    }
}

impl<L: Label> MetricKind for Family<L, DurationHistogram> {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let histograms = register(registry, HistogramVec::new(options, &[L::NAME]));
        Self::new(|label: L| DurationHistogram(histograms.with_label_values(&[label.value()])))
    }
}

/// A histogram of sizes in bytes.
pub(super) struct ByteHistogram(Histogram);

impl ByteHistogram {
    pub(super) fn observe(&self, bytes: usize) {
        self.0.observe(bytes as f64);
    }
}

impl MetricKind for ByteHistogram {
    fn register(registry: &Registry, name: &str, help: &str) -> Self {
        let options = HistogramOpts::new(name, help).buckets(BYTES.to_vec());
        Self(register(registry, Histogram::with_opts(options)))
    }
}

/// Registers a metric of our own table; every test that makes a [`Metrics`](super::Metrics) tries all of them.
fn register<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("the table has only names and labels that Prometheus accepts");
    registry.register(Box::new(metric.clone())).expect("the table has each name once");
    metric
}
