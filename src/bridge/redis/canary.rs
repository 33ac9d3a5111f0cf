//! Measures the health of the relay with messages that the node publishes to itself. Pure: time is an
//! argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::bridge::Health;

/// A subscriber that receives no canary for this long is deaf: three canaries in a row were lost.
const MAX_SILENCE: Duration = Duration::from_millis(3_500);

/// A relay whose canaries take longer than this is slow.
const SLOW: Duration = Duration::from_millis(250);

/// How many canaries in a row decide whether the relay is slow.
const SLOW_CANARIES: u32 = 3;

/// The canaries that were published and received. A Redis Cluster gets one per primary and second,
/// each on its own canary channel.
#[derive(Debug)]
pub(super) struct Canary {
    next_number: u64,
    /// When each canary that has not been received yet was sent, by number.
    sent: HashMap<u64, Instant>,
    /// When each canary channel last delivered something. Never empty.
    received: Vec<Instant>,
    /// When the last message was published. `None` if publishing failed since, or was never tried.
    published: Option<Instant>,
    /// The number of canaries in a row that were slow, up to [`SLOW_CANARIES`].
    slow_canaries: u32,
    /// Whether there is a subscriber connection.
    is_subscribed: bool,
}

impl Canary {
    /// Creates the canary of a relay that is not connected yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_number: 0,
            sent: HashMap::new(),
            received: vec![now],
            published: None,
            slow_canaries: 0,
            is_subscribed: false,
        }
    }

    /// Returns the numbers to publish now, one per canary channel and in their order.
    pub(super) fn send(&mut self, now: Instant) -> Vec<u64> {
        self.sent.retain(|_, sent| now.duration_since(*sent) < 10 * MAX_SILENCE);
        let first = self.next_number;
        self.next_number += self.received.len() as u64;
        let numbers: Vec<_> = (first..self.next_number).collect();
        self.sent.extend(numbers.iter().map(|number| (*number, now)));
        numbers
    }

    /// Records that a canary arrived. Returns its round-trip time, or `None` if it was not expected.
    pub(super) fn receive(&mut self, number: u64, now: Instant) -> Option<Duration> {
        let sent = self.sent.remove(&number)?;
        let channels = self.received.len() as u64;
        let channel = usize::try_from(number % channels).unwrap_or_default();
        if let Some(received) = self.received.get_mut(channel) {
            *received = now;
        }
        let lag = now.duration_since(sent);
        self.slow_canaries =
            if lag > SLOW { (self.slow_canaries + 1).min(SLOW_CANARIES) } else { 0 };
        Some(lag)
    }

    /// Records a new subscriber connection with this number of canary channels, at least one.
    pub(super) fn subscribed(&mut self, channels: usize, now: Instant) {
        self.is_subscribed = true;
        let channels = channels.max(1);
        // A number modulo the channels is the index of its channel, so the first one must be a multiple.
        self.next_number = self.next_number.next_multiple_of(channels as u64);
        self.sent.clear();
        self.received = vec![now; channels];
    }

    /// Records that there is no subscriber connection any more.
    pub(super) fn disconnected(&mut self) {
        self.is_subscribed = false;
    }

    /// Records whether publishing succeeded.
    pub(super) fn published(&mut self, succeeded: bool, now: Instant) {
        self.published = succeeded.then_some(now);
    }

    /// Returns the state of the relay.
    pub(super) fn health(&self, now: Instant) -> Health {
        let is_recent = |at: Instant| now.duration_since(at) < MAX_SILENCE;
        let publishes = self.published.is_some_and(is_recent);
        let receives = self.received.iter().copied().all(is_recent);
        match (publishes, self.is_subscribed && receives) {
            (true, true) if self.slow_canaries == SLOW_CANARIES => Health::Slow,
            (true, true) => Health::Healthy,
            (false, _) => Health::Unavailable,
            // The connection was lost a moment ago, and the relay is reconnecting.
            (true, false) if receives => Health::Unavailable,
            (true, false) => Health::Deaf,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    #[test]
    fn a_relay_that_delivers_canaries_is_healthy_and_reports_their_lag() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        assert_eq!(canary.health(start), Health::Unavailable);
        canary.subscribed(1, start);
        for second in 0..10 {
            let now = start + seconds(f64::from(second));
            let [number] = canary.send(now)[..] else { panic!("one channel has one canary") };
            canary.published(true, now);
            assert_eq!(canary.receive(number, now + seconds(0.01)), Some(seconds(0.01)));
            assert_eq!(canary.receive(number, now), None, "a canary counts once");
            assert_eq!(canary.health(now + seconds(0.9)), Health::Healthy);
        }
    }

    #[test]
    fn a_relay_that_publishes_but_delivers_nothing_is_deaf_within_five_seconds() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.subscribed(1, start);
        for second in 0..4 {
            let now = start + seconds(f64::from(second));
            canary.send(now);
            canary.published(true, now);
        }
        assert_eq!(canary.health(start + seconds(3.0)), Health::Healthy);
        assert_eq!(canary.health(start + seconds(4.0)), Health::Deaf);
    }

    #[test]
    fn a_relay_that_cannot_publish_is_unavailable_and_not_deaf() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.subscribed(1, start);
        canary.published(true, start);
        canary.published(false, start + seconds(1.0));
        assert_eq!(canary.health(start + seconds(1.0)), Health::Unavailable);
        assert_eq!(canary.health(start + seconds(30.0)), Health::Unavailable);
    }

    #[test]
    fn a_relay_that_lost_its_connection_is_unavailable_before_it_is_deaf() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.subscribed(1, start);
        canary.disconnected();
        canary.published(true, start + seconds(1.0));
        assert_eq!(canary.health(start + seconds(1.0)), Health::Unavailable);
        canary.published(true, start + seconds(4.0));
        assert_eq!(canary.health(start + seconds(4.0)), Health::Deaf);
    }

    #[test]
    fn a_relay_is_slow_after_three_slow_canaries_until_a_quick_one() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.subscribed(1, start);
        let mut lag = |second: f64, lag: f64| {
            let sent = start + seconds(second);
            let [number] = canary.send(sent)[..] else { panic!("one channel has one canary") };
            canary.published(true, sent);
            canary.receive(number, sent + seconds(lag));
            canary.health(sent + seconds(lag))
        };
        assert_eq!([lag(1.0, 0.9), lag(2.0, 0.9)], [Health::Healthy; 2]);
        assert_eq!([lag(3.0, 0.3), lag(4.0, 0.9)], [Health::Slow; 2]);
        assert_eq!([lag(5.0, 0.1), lag(6.0, 0.9)], [Health::Healthy; 2]);
    }

    #[test]
    fn a_cluster_is_healthy_only_if_every_primary_delivers_canaries() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.subscribed(3, start);
        for second in 0..6 {
            let now = start + seconds(f64::from(second));
            let numbers = canary.send(now);
            assert_eq!(numbers.len(), 3);
            canary.published(true, now);
            for number in &numbers[..2] {
                canary.receive(*number, now).unwrap();
            }
        }
        assert_eq!(canary.health(start + seconds(5.0)), Health::Deaf);
    }
}
