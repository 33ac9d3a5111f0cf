//! What the authors write down.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::measure::Latencies;

/// The edits of all authors.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// For each author how many edits are acknowledged. Each sends one after another, so these are the first ones.
    acknowledged: Vec<AtomicU64>,
    /// The number of the current part of the run: 0 while nothing fails, then that of each fault.
    part: AtomicUsize,
    parts: Vec<Mutex<Part>>,
    /// Why an author has given up, if one has.
    failure: Mutex<Option<String>>,
}

/// A part of the run.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// From the first attempt of an edit to its acknowledgement.
    pub(crate) latencies: Latencies,
    /// Attempts that had no answer or were refused for the time being.
    pub(crate) repeated: u64,
    /// The longest time in which no edit of any author was acknowledged.
    pub(crate) longest_pause: Duration,
    last: Instant,
}

impl Ledger {
    /// Begins the first part.
    pub(crate) fn new(authors: usize, parts: usize) -> Self {
        let part = || Part {
            latencies: Latencies::default(),
            repeated: 0,
            longest_pause: Duration::ZERO,
            last: Instant::now(),
        };
        Self {
            acknowledged: (0..authors).map(|_| AtomicU64::new(0)).collect(),
            part: AtomicUsize::new(0),
            parts: (0..parts).map(|_| Mutex::new(part())).collect(),
            failure: Mutex::new(None),
        }
    }

    /// Begins a part.
    pub(crate) fn begin(&self, part: usize) {
        self.parts[part].lock().last = Instant::now();
        self.part.store(part, Ordering::Relaxed);
    }

    /// Notes why an author has given up.
    pub(crate) fn give_up(&self, error: &anyhow::Error) {
        self.failure.lock().get_or_insert_with(|| format!("{error:#}"));
    }

    /// Returns an error if an author has given up.
    ///
    /// # Errors
    /// Why the author has given up.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.failure.lock().clone().map_or(Ok(()), |failure| Err(anyhow::Error::msg(failure)))
    }

    /// Notes that an attempt failed.
    pub(crate) fn failed(&self) {
        self.current().lock().repeated += 1;
    }

    /// Notes that the next edit of an author is acknowledged, this long after its first attempt.
    pub(crate) fn acknowledged(&self, author: usize, latency: Duration) {
        self.acknowledged[author].fetch_add(1, Ordering::SeqCst);
        let (now, mut part) = (Instant::now(), self.current().lock());
        part.latencies.record(latency);
        part.longest_pause = part.longest_pause.max(now - part.last);
        part.last = now;
    }

    /// Returns how many edits of each author are acknowledged.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Returns a part.
    pub(crate) fn part(&self, part: usize) -> Part {
        self.parts[part].lock().clone()
    }

    fn current(&self) -> &Mutex<Part> {
        &self.parts[self.part.load(Ordering::Relaxed)]
    }
}
