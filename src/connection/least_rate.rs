//! The least rate at which bytes must move, whichever way. Pure.

use std::time::Duration;

/// How long a client may take for bytes that it sends or accepts.
///
/// The limit is on the whole and not on each pause. So bytes can be held for the patience and the time that the rate gives
/// them, however the client divides them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastRate {
    /// The time for no bytes at all.
    pub patience: Duration,
    /// The rate at which bytes must move after that, in bytes per second. 0 counts as 1.
    pub bytes_per_second: u64,
}

impl LeastRate {
    /// Returns how long a client may take of which this many bytes have moved.
    #[must_use]
    pub fn time_for(self, bytes: u64) -> Duration {
        let micros = bytes.saturating_mul(1_000_000) / self.bytes_per_second.max(1);
        self.patience.saturating_add(Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_grows_with_the_bytes_that_have_moved() {
        let rate = LeastRate { patience: Duration::from_secs(10), bytes_per_second: 1_000 };
        assert_eq!(rate.time_for(0), Duration::from_secs(10));
        assert_eq!(rate.time_for(500_000), Duration::from_secs(510));
        assert!(rate.time_for(u64::MAX) > Duration::from_secs(1_000_000_000));
    }
}
