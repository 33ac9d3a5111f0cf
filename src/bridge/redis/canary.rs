//! How the relay does, told from what is published to oneself and comes back. Pure: time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::bridge::Health;

/// A relay from which nothing came for so long hears nothing: three canaries in a row.
const SILENCE: Duration = Duration::from_millis(3_500);

/// What was published and what came back. In a cluster one canary is sent through each primary.
#[derive(Debug)]
pub(super) struct Canary {
    number: u64,
    /// When those that have not come back were sent, by number.
    sent: HashMap<u64, Instant>,
    /// When each place was last heard from.
    heard: Vec<Instant>,
    /// When something was last published with success; none while it cannot be.
    answered: Option<Instant>,
    /// Whether there is a connection that listens.
    listens: bool,
}

impl Canary {
    /// A relay that is away, since `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { number: 0, sent: HashMap::new(), heard: vec![now], answered: None, listens: false }
    }

    /// The canaries to send `now`: each place's number.
    pub(super) fn send(&mut self, now: Instant) -> Vec<u64> {
        self.sent.retain(|_, sent| now.duration_since(*sent) < 10 * SILENCE);
        let first = self.number;
        self.number += self.heard.len() as u64;
        let numbers: Vec<_> = (first..self.number).collect();
        self.sent.extend(numbers.iter().map(|number| (*number, now)));
        numbers
    }

    /// One came back: how long it was on its way. None for one that was not expected.
    pub(super) fn heard(&mut self, number: u64, now: Instant) -> Option<Duration> {
        let sent = self.sent.remove(&number)?;
        let places = self.heard.len() as u64;
        let place = usize::try_from(number % places).unwrap_or_default();
        if let Some(heard) = self.heard.get_mut(place) {
            *heard = now;
        }
        Some(now.duration_since(sent))
    }

    /// There is a connection that listens, through so many places (at least one), or there is none any more.
    pub(super) fn listens(&mut self, places: Option<usize>, now: Instant) {
        self.listens = places.is_some();
        if let Some(places) = places {
            // Numbers say their place, so they begin again with one that belongs to the first.
            self.number = self.number.next_multiple_of(places.max(1) as u64);
            self.sent.clear();
            self.heard = vec![now; places.max(1)];
        }
    }

    /// Something was published with success, or could not be.
    pub(super) fn published(&mut self, succeeded: bool, now: Instant) {
        self.answered = succeeded.then_some(now);
    }

    /// How the relay does.
    pub(super) fn health(&self, now: Instant) -> Health {
        let answers = self.answered.is_some_and(|at| now.duration_since(at) < SILENCE);
        let hears = self.heard.iter().all(|heard| now.duration_since(*heard) < SILENCE);
        match (answers, self.listens && hears) {
            (true, true) => Health::Well,
            (false, _) => Health::Away,
            // Just cut off: it is being connected again.
            (true, false) if hears => Health::Away,
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
    fn a_relay_that_brings_back_what_is_sent_is_well_and_its_lag_is_known() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        assert_eq!(canary.health(start), Health::Away);
        canary.listens(Some(1), start);
        for second in 0..10 {
            let now = start + seconds(f64::from(second));
            let [number] = canary.send(now)[..] else { panic!("one place, one canary") };
            canary.published(true, now);
            assert_eq!(canary.heard(number, now + seconds(0.01)), Some(seconds(0.01)));
            assert_eq!(canary.heard(number, now), None, "it comes back once");
            assert_eq!(canary.health(now + seconds(0.9)), Health::Well);
        }
    }

    #[test]
    fn one_that_answers_but_brings_nothing_back_is_deaf_within_five_seconds() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.listens(Some(1), start);
        for second in 0..4 {
            let now = start + seconds(f64::from(second));
            canary.send(now);
            canary.published(true, now);
        }
        assert_eq!(canary.health(start + seconds(3.0)), Health::Well);
        assert_eq!(canary.health(start + seconds(4.0)), Health::Deaf);
    }

    #[test]
    fn one_that_does_not_answer_is_away_and_not_deaf() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.listens(Some(1), start);
        canary.published(true, start);
        canary.published(false, start + seconds(1.0));
        assert_eq!(canary.health(start + seconds(1.0)), Health::Away);
        assert_eq!(canary.health(start + seconds(30.0)), Health::Away);
    }

    #[test]
    fn in_a_cluster_every_primary_has_to_be_heard_from() {
        let start = Instant::now();
        let mut canary = Canary::new(start);
        canary.listens(Some(3), start);
        for second in 0..6 {
            let now = start + seconds(f64::from(second));
            let numbers = canary.send(now);
            assert_eq!(numbers.len(), 3);
            canary.published(true, now);
            for number in &numbers[..2] {
                canary.heard(*number, now).unwrap();
            }
        }
        assert_eq!(canary.health(start + seconds(5.0)), Health::Deaf);
    }
}
