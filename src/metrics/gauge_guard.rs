//! A guard that counts in a gauge for as long as it lives.

use prometheus::IntGauge;

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
#[must_use = "the gauge goes down when the guard is dropped"]
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    /// Adds one to `gauge`, until the guard is dropped.
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
