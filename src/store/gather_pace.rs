//! How long a group commit gathers batches.
//!
//! A commit costs about the same for one batch as for ten. While few documents change, waiting for more batches would only
//! delay them. While many change, a longer pause between commits makes the groups larger: each batch then costs a
//! fraction, and the database has capacity for more.
//!
//! The pause grows with the number of documents that had a commit in the last [`WINDOW`]. A document whose authors type fast has
//! one batch at a time, however often it commits, so it counts once.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use crate::domain::DocumentId;

/// The time in which documents are counted.
const WINDOW: Duration = Duration::from_millis(100);

/// How many documents of a window make the pause as long as `store.commit_every` once.
const DOCUMENTS_PER_PAUSE: usize = 10;

/// How many times as long as `store.commit_every` the pause is at most.
const MAX_FACTOR: usize = 5;

/// The longest pause that is prolonged.
const MAX_PROLONGED: Duration = Duration::from_millis(20);

/// The pace of group commits.
pub(super) struct GatherPace {
    /// `store.commit_every`.
    every: Duration,
    /// When the present window began.
    began: Instant,
    /// The documents with a commit in the present window.
    present: HashSet<DocumentId>,
    /// The number of documents with a commit in the window before.
    previous: usize,
}

impl GatherPace {
    /// Begins without documents.
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self { every, began: now, present: HashSet::new(), previous: 0 }
    }

    /// Notes the documents of a commit that begins now. Returns the earliest time of the next one.
    pub(super) fn begin(
        &mut self,
        documents: impl IntoIterator<Item = DocumentId>,
        now: Instant,
    ) -> Instant {
        let age = now.saturating_duration_since(self.began);
        if age >= WINDOW {
            let counted = std::mem::take(&mut self.present).len();
            self.previous = if age < 2 * WINDOW { counted } else { 0 };
            self.began = now;
        }
        self.present.extend(documents);
        let documents = self.previous.max(self.present.len());
        let factor = (documents / DOCUMENTS_PER_PAUSE).clamp(1, MAX_FACTOR);
        let prolonged = self.every * u32::try_from(factor).unwrap_or(1);
        now + prolonged.min(MAX_PROLONGED).max(self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(2);

    /// Commits `count` documents, one after another, within a window. Returns the last pause.
    fn pause_after(pace: &mut GatherPace, documents: &[DocumentId], from: Instant) -> Duration {
        let step = WINDOW / (documents.len() as u32 + 1);
        let mut pause = Duration::ZERO;
        for (n, document) in documents.iter().enumerate() {
            let now = from + step * n as u32;
            pause = pace.begin([*document], now) - now;
        }
        pause
    }

    fn documents(count: usize) -> Vec<DocumentId> {
        (0..count).map(|_| DocumentId::new()).collect()
    }

    #[test]
    fn the_pause_grows_with_the_number_of_documents_up_to_a_bound() {
        let now = Instant::now();
        for (count, factor) in [(1, 1), (19, 1), (20, 2), (49, 4), (50, 5), (1_000, 5)] {
            let mut pace = GatherPace::new(EVERY, now);
            assert_eq!(pause_after(&mut pace, &documents(count), now), EVERY * factor, "{count}");
        }
    }

    #[test]
    fn one_document_that_commits_often_does_not_prolong_the_pause() {
        let (now, document) = (Instant::now(), DocumentId::new());
        let mut pace = GatherPace::new(EVERY, now);
        assert_eq!(pause_after(&mut pace, &[document; 100], now), EVERY);
    }

    #[test]
    fn the_pause_follows_the_window_before_and_ends_with_the_load() {
        let (now, many) = (Instant::now(), documents(50));
        let mut pace = GatherPace::new(EVERY, now);
        pause_after(&mut pace, &many, now);
        let next = now + WINDOW;
        assert_eq!(pace.begin([many[0]], next) - next, EVERY * 5);
        let later = next + WINDOW;
        assert_eq!(pace.begin([many[0]], later) - later, EVERY);

        pause_after(&mut pace, &many, later + WINDOW);
        let idle = later + WINDOW * 4;
        assert_eq!(pace.begin([many[0]], idle) - idle, EVERY, "nothing was committed meanwhile");
    }

    #[test]
    fn a_long_pause_is_not_prolonged() {
        let now = Instant::now();
        for (every, longest) in [(5, 20), (30, 30), (500, 500)]
            .map(|(a, b)| (Duration::from_millis(a), Duration::from_millis(b)))
        {
            let mut pace = GatherPace::new(every, now);
            assert_eq!(pause_after(&mut pace, &documents(100), now), longest);
        }
    }

    #[test]
    fn without_a_pause_nothing_is_gathered() {
        let now = Instant::now();
        let mut pace = GatherPace::new(Duration::ZERO, now);
        assert_eq!(pause_after(&mut pace, &documents(100), now), Duration::ZERO);
    }
}
