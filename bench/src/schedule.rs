//! When each event is due.
//!
//! The load is open loop: the times are fixed in advance, and a slow server does not make the senders wait. Latency counts from
//! when an event was due, so a server that stalls pays for all events that were due meanwhile.
//!
//! Event `n` is of sender `n % senders`, and the events of all senders are spread evenly.

use std::{ops::Range, thread, time::Duration};

use tokio::{sync::mpsc, time::Instant};

/// The times at which events are due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    start: Instant,
    senders: u64,
    /// Events per second of all senders together.
    rate: f64,
    warmup: Duration,
    measured: Duration,
}

impl Schedule {
    /// How far in the future a schedule starts, so that everything is ready for its first event.
    const LEAD: Duration = Duration::from_millis(50);

    /// Plans `rate` events per second of each of `senders`, from now on. At least one sender is assumed.
    pub(crate) fn plan(senders: usize, rate: f64, warmup: Duration, measured: Duration) -> Self {
        let senders = senders.max(1) as u64;
        let start = Instant::now() + Self::LEAD;
        Self { start, senders, rate: rate * senders as f64, warmup, measured }
    }

    /// Returns the number of events. Each sender has equally many, at least one.
    pub(crate) fn events(&self) -> u64 {
        self.per_sender() * self.senders
    }

    /// Returns the number of events of one sender.
    pub(crate) fn per_sender(&self) -> u64 {
        let total = (self.warmup + self.measured).as_secs_f64() * self.rate;
        ((total / self.senders as f64) as u64).max(1)
    }

    /// Returns the sender of an event.
    pub(crate) fn sender(&self, event: u64) -> usize {
        (event % self.senders) as usize
    }

    /// Returns the place of an event among those of its sender.
    pub(crate) fn place(&self, event: u64) -> u64 {
        event / self.senders
    }

    /// Returns the event of a sender at a place.
    pub(crate) fn event(&self, sender: usize, place: u64) -> u64 {
        place * self.senders + sender as u64
    }

    /// Returns when an event is due.
    pub(crate) fn due(&self, event: u64) -> Instant {
        self.start + Duration::from_secs_f64(event as f64 / self.rate)
    }

    /// Returns when the measured part begins.
    pub(crate) fn measured_from(&self) -> Instant {
        self.start + self.warmup
    }

    /// Returns when it ends.
    pub(crate) fn end(&self) -> Instant {
        self.start + self.warmup + self.measured
    }

    /// Returns whether an event is due in the measured part.
    pub(crate) fn is_measured(&self, event: u64) -> bool {
        self.due(event) >= self.measured_from()
    }

    /// Returns whether a time is in the measured part.
    pub(crate) fn is_measuring(&self, time: Instant) -> bool {
        (self.measured_from()..self.end()).contains(&time)
    }

    /// Returns the length of the measured part, in seconds.
    pub(crate) fn measured_seconds(&self) -> f64 {
        self.measured.as_secs_f64()
    }

    /// Calls `send` for each event when it is due.
    pub(crate) async fn drive(&self, mut send: impl FnMut(u64)) {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let schedule = *self;
        // The timers of the runtime have milliseconds, which would be part of every latency.
        let clock = thread::spawn(move || schedule.tell_time(&tx));
        while let Some(events) = rx.recv().await {
            events.for_each(&mut send);
        }
        drop(clock);
    }

    /// Sends ranges of events when they are due.
    fn tell_time(&self, tx: &mpsc::UnboundedSender<Range<u64>>) {
        let mut next = 0;
        while next < self.events() {
            let now = Instant::now();
            let mut end = next;
            while end < self.events() && self.due(end) <= now {
                end += 1;
            }
            if end > next && tx.send(next..end).is_err() {
                return;
            }
            next = end;
            if next < self.events() {
                thread::sleep(self.due(next).saturating_duration_since(Instant::now()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::plan(4, 10.0, Duration::from_secs(1), Duration::from_secs(2))
    }

    #[test]
    fn each_sender_has_the_events_of_its_rate() {
        let schedule = schedule();
        assert_eq!(schedule.per_sender(), 30);
        assert_eq!(schedule.events(), 120);
        let of_third = (0..schedule.events()).filter(|event| schedule.sender(*event) == 2).count();
        assert_eq!(of_third, 30);
    }

    #[test]
    fn an_event_is_found_by_its_sender_and_place() {
        let schedule = schedule();
        for event in [0, 1, 77, 119] {
            let (sender, place) = (schedule.sender(event), schedule.place(event));
            assert_eq!(schedule.event(sender, place), event);
        }
    }

    #[test]
    fn events_are_spread_evenly_and_the_first_second_is_not_measured() {
        let schedule = schedule();
        assert_eq!(schedule.due(40) - schedule.due(0), Duration::from_secs(1));
        assert_eq!(schedule.due(1) - schedule.due(0), Duration::from_millis(25));
        assert!(!schedule.is_measured(39));
        assert!(schedule.is_measured(40));
    }

    #[test]
    fn the_measured_part_ends_before_its_end() {
        let schedule = schedule();
        assert!(schedule.is_measuring(schedule.measured_from()));
        assert!(!schedule.is_measuring(schedule.due(0)));
        assert!(!schedule.is_measuring(schedule.end()));
        assert_eq!(schedule.end() - schedule.measured_from(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn every_event_is_sent_once_in_order_and_not_before_it_is_due() {
        let schedule = Schedule::plan(3, 100.0, Duration::ZERO, Duration::from_millis(50));
        let mut sent = vec![];
        schedule.drive(|event| sent.push((event, Instant::now()))).await;
        assert_eq!(
            sent.iter().map(|(event, _)| *event).collect::<Vec<_>>(),
            (0..15).collect::<Vec<_>>()
        );
        assert!(sent.iter().all(|(event, at)| *at >= schedule.due(*event)));
    }
}
