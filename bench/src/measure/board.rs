//! Where all connections of a run write down what they see.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, interval};

use super::{Arrival, Arrivals, Counts, Latencies};
use crate::{report::console, schedule::Schedule};

/// The longest text that is kept about a fault, in characters.
const MAX_NOTE: usize = 400;

/// How often the end of a wait is checked.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// Latencies and progress of a run.
#[derive(Debug, Default)]
pub(crate) struct Board {
    schedule: OnceLock<Schedule>,
    deliveries: Mutex<Latencies>,
    answers: Mutex<Latencies>,
    /// How late the senders themselves were.
    delays: Mutex<Latencies>,
    delivered: AtomicU64,
    /// Deliveries that arrived in the measured part, whenever they were due.
    delivered_in_time: AtomicU64,
    /// The events of the schedule whose operations were answered.
    answered: Mutex<Arrivals>,
    answered_again: AtomicU64,
    /// Answers that came to a connection which had not sent the operation.
    misdirected: AtomicU64,
    refused: AtomicU64,
    first_fault: Mutex<Option<String>>,
}

impl Board {
    /// Sets the schedule, before its first event is due.
    pub(crate) fn begin(&self, schedule: Schedule) {
        // There is one load in a run.
        let _first = self.schedule.set(schedule);
    }

    /// Returns the schedule, once it is set.
    pub(crate) fn schedule(&self) -> Option<&Schedule> {
        self.schedule.get()
    }

    /// Notes that an event is being sent.
    pub(crate) fn sending(&self, event: u64) {
        self.record(&self.delays, event);
    }

    /// Notes that an event has reached a receiver for the first time.
    pub(crate) fn delivered(&self, sender: usize, place: u64) {
        self.arrived(Instant::now());
        if let Some(schedule) = self.schedule.get() {
            self.record(&self.deliveries, schedule.event(sender, place));
        }
    }

    /// Notes that something has arrived at this time whose latency is written down elsewhere.
    pub(crate) fn arrived(&self, at: Instant) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        if self.schedule.get().is_some_and(|schedule| schedule.is_measuring(at)) {
            self.delivered_in_time.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that a newer event of the same sender arrived instead of this one: its latency ends now, too.
    pub(crate) fn replaced(&self, sender: usize, place: u64) {
        if let Some(schedule) = self.schedule.get() {
            self.record(&self.deliveries, schedule.event(sender, place));
        }
    }

    /// Notes that the connection of a sender has received the answer to the operation of an event. Returns whether it is the first
    /// one, and expected.
    pub(crate) fn answered(&self, event: u64, own: Option<usize>, refused: Option<&str>) -> bool {
        let is_own =
            |schedule: &Schedule| event < schedule.events() && own == Some(schedule.sender(event));
        if !self.schedule.get().is_some_and(is_own) {
            self.misdirected.fetch_add(1, Ordering::Relaxed);
            self.note(&format!("operation {event} was answered on another connection"));
            return false;
        }
        if self.answered.lock().add(event) == Arrival::Repeated {
            self.answered_again.fetch_add(1, Ordering::Relaxed);
            self.note(&format!("operation {event} was answered again"));
            return false;
        }
        match refused {
            Some(errors) => self.failed(errors),
            None => self.record(&self.answers, event),
        }
        true
    }

    /// Notes that the server refused something.
    pub(crate) fn failed(&self, errors: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.note(errors);
    }

    /// Keeps the first text about a fault, cut off after [`MAX_NOTE`] characters.
    pub(crate) fn note(&self, fault: &str) {
        self.first_fault.lock().get_or_insert_with(|| fault.chars().take(MAX_NOTE).collect());
    }

    fn record(&self, latencies: &Mutex<Latencies>, event: u64) {
        let Some(schedule) = self.schedule.get() else { return };
        if schedule.is_measured(event) {
            latencies.lock().record(Instant::now() - schedule.due(event));
        }
    }

    /// Returns the latencies of deliveries that were due in the measured part.
    pub(crate) fn deliveries(&self) -> Latencies {
        self.deliveries.lock().clone()
    }

    /// Returns how many deliveries arrived in the measured part.
    pub(crate) fn delivered_in_time(&self) -> u64 {
        self.delivered_in_time.load(Ordering::Relaxed)
    }

    /// Returns the latencies of answers to operations that were due in the measured part.
    pub(crate) fn answers(&self) -> Latencies {
        self.answers.lock().clone()
    }

    /// Returns how late the senders were, in milliseconds, for 99 of 100 events.
    pub(crate) fn delay_p99(&self) -> f64 {
        self.delays.lock().percentile(99.0)
    }

    /// Returns how many operations of the schedule were answered.
    pub(crate) fn answer_count(&self) -> u64 {
        self.answered.lock().count()
    }

    /// Adds what is known of the answers.
    pub(crate) fn count_answers(&self, counts: &mut Counts) {
        let sent = self.schedule.get().map_or(0, Schedule::events);
        counts.refused += self.refused.load(Ordering::Relaxed);
        counts.unanswered += sent.saturating_sub(self.answer_count());
        counts.answered_again += self.answered_again.load(Ordering::Relaxed);
        counts.misrouted += self.misdirected.load(Ordering::Relaxed);
    }

    /// Returns a sentence about the first fault.
    pub(crate) fn first_fault(&self) -> Option<String> {
        self.first_fault.lock().as_ref().map(|fault| format!("the first fault: {fault}"))
    }

    /// Prints once a second how far the load is, until the future ends.
    pub(crate) async fn with_progress<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let (began, mut seconds) = (Instant::now(), interval(Duration::from_secs(1)));
        seconds.tick().await;
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = seconds.tick() => {
                    let delivered = self.delivered.load(Ordering::Relaxed);
                    let seconds = began.elapsed().as_secs_f64();
                    let mut line = format!("{what}: {seconds:.0} s, {delivered} arrived");
                    let latencies = self.deliveries.lock();
                    if latencies.count() > 0 {
                        line += &format!(", p99 {:.2} ms", latencies.percentile(99.0));
                    }
                    drop(latencies);
                    console::progress(&line);
                }
            }
        }
    }
}

/// Waits until a condition is true, at most for this long. Returns whether it is.
pub(crate) async fn wait_until(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let (end, mut checks) = (Instant::now() + limit, interval(CHECK_EVERY));
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        checks.tick().await;
    }
    true
}

/// Waits until a condition is true that has to be awaited, at most for about this long. Returns whether it is.
pub(crate) async fn wait_until_async(limit: Duration, condition: impl AsyncFn() -> bool) -> bool {
    let (end, mut checks) = (Instant::now() + limit, interval(CHECK_EVERY * 5));
    while !condition().await {
        if Instant::now() >= end {
            return false;
        }
        checks.tick().await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        let board = Board::default();
        board.begin(Schedule::plan(2, 1.0, Duration::ZERO, Duration::from_secs(2)));
        board
    }

    #[test]
    fn a_repeated_answer_does_not_stand_for_a_missing_one() {
        let board = board();
        assert!(board.answered(0, Some(0), None));
        assert!(board.answered(1, Some(1), None));
        assert!(!board.answered(1, Some(1), None));
        assert!(board.answered(2, Some(0), Some("no")));
        let mut counts = Counts::default();
        board.count_answers(&mut counts);
        assert_eq!((counts.unanswered, counts.answered_again, counts.refused), (1, 1, 1));
    }

    #[test]
    fn an_answer_on_another_connection_is_misrouted() {
        let board = board();
        for (event, own) in [(0, Some(1)), (0, None), (9, Some(1))] {
            assert!(!board.answered(event, own, None));
        }
        let mut counts = Counts::default();
        board.count_answers(&mut counts);
        assert_eq!((counts.unanswered, counts.misrouted), (4, 3));
    }
}
