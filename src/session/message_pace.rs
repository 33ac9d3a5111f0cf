//! How fast the messages of a client are read, of whatever kind they are. Pure: the time is an argument.
//!
//! Most messages count in other limits. Pings, pongs, empty fragments and messages above a limit do not, and each still
//! takes time. A client above the rate is not refused anything: its socket is read later.

use std::time::Duration;

use tokio::time::Instant;

/// How many messages above the steady rate may arrive at once, as the time that they take at that rate.
const BURST: Duration = Duration::from_secs(1);

/// The pace of one client.
#[derive(Debug)]
pub(super) struct MessagePace {
    /// The time of one message at the steady rate.
    each: Duration,
    /// When all messages so far would have arrived at the steady rate.
    due: Option<Instant>,
}

impl MessagePace {
    /// Creates a pace of this many messages per second; 0 counts as 1.
    pub(super) fn new(per_second: u32) -> Self {
        Self { each: Duration::from_secs(1) / per_second.max(1), due: None }
    }

    /// Counts messages that arrived at `now`. Returns until when no more should be read, if they are too many.
    pub(super) fn count(&mut self, messages: u64, now: Instant) -> Option<Instant> {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        let due = self.due.map_or(now, |due| due.max(now)) + self.each.saturating_mul(messages);
        self.due = Some(due);
        (due > now + BURST).then(|| due - BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_read_at_once_and_more_at_the_steady_rate() {
        let (mut pace, start) = (MessagePace::new(100), Instant::now());
        assert_eq!(pace.count(100, start), None);
        assert_eq!(pace.count(50, start), Some(start + Duration::from_millis(500)));
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.count(1, later), Some(later + Duration::from_millis(10)));
        assert_eq!(pace.count(100, start + Duration::from_mins(1)), None);
    }
}
