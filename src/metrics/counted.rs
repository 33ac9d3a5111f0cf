//! Counting things for exactly as long as they are there.

use prometheus::IntGauge;

/// Something that is counted in a gauge until this is dropped.
#[derive(Debug)]
#[must_use = "it stops counting when it is dropped"]
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    /// One more in `gauge`, from now on.
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
