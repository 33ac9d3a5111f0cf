//! A guard that counts in a gauge for as long as it lives.

use prometheus::IntGauge;

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
#[must_use = "the gauge goes down when the guard is dropped"]
pub struct GaugeGuard {
    gauge: IntGauge,
    /// The same gauge under its earlier name, if it has had one.
    earlier: Option<IntGauge>,
}

impl GaugeGuard {
    /// Adds one to `gauge`, until the guard is dropped.
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self { gauge: gauge.clone(), earlier: None }
    }

    /// Adds one to `gauge`, and to the gauge with its earlier name, until the guard is dropped.
    pub(super) fn renamed(gauge: &IntGauge, earlier: &IntGauge) -> Self {
        gauge.inc();
        earlier.inc();
        Self { gauge: gauge.clone(), earlier: Some(earlier.clone()) }
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.gauge.dec();
        if let Some(earlier) = &self.earlier {
            earlier.dec();
        }
    }
}
