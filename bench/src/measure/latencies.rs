//! A distribution of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart, in microseconds: an hour.
const MAX_MICROSECONDS: u64 = 3_600_000_000;

/// Decimal digits that are kept of each latency.
const DIGITS: u8 = 3;

/// The percentiles of a report.
const PERCENTILES: [f64; 6] = [50.0, 90.0, 95.0, 99.0, 99.9, 100.0];

/// A histogram of latencies with three digits, from a microsecond to an hour.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

/// The figures of a distribution, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Distribution {
    /// How many latencies there are.
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, MAX_MICROSECONDS, DIGITS);
        Self(histogram.expect("the bounds and the digits are valid"))
    }
}

impl Latencies {
    /// Adds a latency. One of more than an hour counts as an hour.
    pub(crate) fn record(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(MAX_MICROSECONDS);
        self.0.saturating_record(microseconds.max(1));
    }

    /// Returns how many latencies there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the latency below which this part of all are, in milliseconds. `percent` is 0 to 100.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1000.0
    }

    /// Returns the figures of the distribution.
    pub(crate) fn distribution(&self) -> Distribution {
        let [p50, p90, p95, p99, p999, max] = PERCENTILES.map(|percent| self.percentile(percent));
        Distribution {
            count: self.count(),
            mean: self.0.mean() / 1000.0,
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut latencies = Latencies::default();
        for milliseconds in 1..=100 {
            latencies.record(Duration::from_millis(milliseconds));
        }
        let found = latencies.distribution();
        assert_eq!(found.count, 100);
        assert!((49.9..50.1).contains(&found.p50), "{found:?}");
        assert!((99.9..100.1).contains(&found.max), "{found:?}");
    }

    #[test]
    fn a_latency_of_more_than_an_hour_counts_as_an_hour() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(7200));
        assert!(latencies.percentile(100.0) > 3_590_000.0);
    }
}
