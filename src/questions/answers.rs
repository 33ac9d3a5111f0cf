//! Which questions were answered, and until when. No I/O, no clock.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::domain::{AccessLevel, DocumentId, UserId};

/// The user and the document of a question.
type Pair = (UserId, DocumentId);

/// How many questions are remembered. More are asked each time.
const MAX_REMEMBERED: usize = 200_000;

/// How long before its end an answer is due again, if it is not due earlier: after half of its life.
const RENEWED_BEFORE: Duration = Duration::from_secs(2);

/// What is known of a question.
pub(super) enum Known<A> {
    /// Its answer is stored and has not ended.
    Answered,
    /// It failed, and must not be asked again yet.
    Failed,
    /// It is being asked.
    Asking(A),
    /// Nothing.
    Nothing,
}

enum Entry<A> {
    Answered { renew_at: Instant, until: Instant, level: Option<AccessLevel> },
    Failed { until: Instant },
    Asking { asking: A, before: Option<(Option<AccessLevel>, Instant)> },
}

/// The questions that were asked. `A` is one in progress.
pub(super) struct AnswerTable<A>(HashMap<Pair, Entry<A>>);

impl<A> Default for AnswerTable<A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<A: Clone> AnswerTable<A> {
    /// Returns what is known of a question. While an answer is renewed, the one before it counts until it ends.
    pub(super) fn find(&self, pair: Pair, now: Instant) -> Known<A> {
        match self.0.get(&pair) {
            Some(Entry::Answered { until, .. }) if now < *until => Known::Answered,
            Some(Entry::Failed { until }) if now < *until => Known::Failed,
            Some(Entry::Asking { before: Some((_, until)), .. }) if now < *until => Known::Answered,
            Some(Entry::Asking { asking, .. }) => Known::Asking(asking.clone()),
            Some(Entry::Answered { .. } | Entry::Failed { .. }) | None => Known::Nothing,
        }
    }

    /// Returns a question in progress.
    pub(super) fn asking(&self, pair: Pair) -> Option<A> {
        match self.0.get(&pair) {
            Some(Entry::Asking { asking, .. }) => Some(asking.clone()),
            Some(_) | None => None,
        }
    }

    /// Returns the users whose level on a document is being asked for.
    pub(super) fn asking_about(&self, document: DocumentId) -> Vec<UserId> {
        let asking = self.0.iter().filter(|((_, asked), entry)| {
            *asked == document && matches!(entry, Entry::Asking { .. })
        });
        asking.map(|((user, _), _)| *user).collect()
    }

    /// Forgets an answer that gave a higher level than `found`. Returns whether there was one.
    pub(super) fn forget_above(&mut self, pair: Pair, found: Option<AccessLevel>) -> bool {
        match self.0.get_mut(&pair) {
            Some(Entry::Answered { level, .. }) if *level > found => self.0.remove(&pair).is_some(),
            Some(Entry::Asking { before: before @ Some(_), .. })
                if before.is_some_and(|(level, _)| level > found) =>
            {
                before.take().is_some()
            }
            Some(_) | None => false,
        }
    }

    /// Forgets that a question is being asked, if it still is.
    pub(super) fn end(&mut self, pair: Pair) {
        if matches!(self.0.get(&pair), Some(Entry::Asking { .. })) {
            self.0.remove(&pair);
        }
    }

    /// Notes a question in progress.
    pub(super) fn begin(&mut self, pair: Pair, asking: A) {
        let before = match self.0.get(&pair) {
            Some(Entry::Answered { until, level, .. }) => Some((*level, *until)),
            Some(_) | None => None,
        };
        self.0.insert(pair, Entry::Asking { asking, before });
    }

    /// Notes an answer that was asked for at `asked_at` and is valid for `life`.
    pub(super) fn note_answer(
        &mut self,
        pair: Pair,
        asked_at: Instant,
        life: Duration,
        level: Option<AccessLevel>,
    ) {
        let renew_at = asked_at + life.saturating_sub(RENEWED_BEFORE).max(life / 2);
        self.0.remove(&pair);
        if self.0.len() >= MAX_REMEMBERED {
            self.forget_ended(asked_at);
        }
        if self.0.len() < MAX_REMEMBERED {
            let until = asked_at + life;
            self.0.insert(pair, Entry::Answered { renew_at, until, level });
        }
    }

    /// Notes that a question has failed. It is not asked again until `until`, unless an answer before it is still valid.
    pub(super) fn note_failure(&mut self, pair: Pair, until: Instant) {
        let entry = match self.0.remove(&pair) {
            Some(Entry::Asking { before: Some((level, valid_until)), .. })
                if until < valid_until =>
            {
                Entry::Answered { renew_at: until, until: valid_until, level }
            }
            Some(_) | None => Entry::Failed { until },
        };
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(pair, entry);
        }
    }

    /// Returns the questions that have to be asked again now if they still matter. Forgets those whose answers have ended.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Pair> {
        let is_due = |entry: &Entry<A>| match entry {
            Entry::Answered { renew_at, .. } => *renew_at <= now,
            Entry::Failed { .. } | Entry::Asking { .. } => false,
        };
        let due = self.0.iter().filter(|(_, entry)| is_due(entry)).map(|(pair, _)| *pair).collect();
        self.forget_ended(now);
        due
    }

    fn forget_ended(&mut self, now: Instant) {
        self.0.retain(|_, entry| match entry {
            Entry::Answered { until, .. } | Entry::Failed { until } => now < *until,
            Entry::Asking { .. } => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pair() -> Pair {
        (UserId::new(), DocumentId::new())
    }

    fn known(table: &AnswerTable<u8>, pair: Pair, now: Instant) -> &'static str {
        match table.find(pair, now) {
            Known::Answered => "answered",
            Known::Failed => "failed",
            Known::Asking(_) => "asking",
            Known::Nothing => "nothing",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_known_for_its_life_and_due_before_its_end() {
        let (mut table, pair, now) = (AnswerTable::default(), pair(), Instant::now());
        assert_eq!(known(&table, pair, now), "nothing");
        table.begin(pair, 1);
        assert_eq!(known(&table, pair, now), "asking");
        table.note_answer(pair, now, 10 * SECOND, Some(AccessLevel::Edit));
        assert_eq!(known(&table, pair, now + 9 * SECOND), "answered");
        assert!(table.due(now + 7 * SECOND).is_empty());
        assert_eq!(table.due(now + 8 * SECOND), [pair]);
        assert_eq!(known(&table, pair, now + 10 * SECOND), "nothing");
        assert_eq!(table.due(now + 10 * SECOND), [pair]);
        assert!(table.due(now + 10 * SECOND).is_empty(), "it was forgotten");
        table.note_answer(pair, now, SECOND, Some(AccessLevel::Edit));
        assert_eq!(table.due(now + SECOND / 2), [pair]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_an_answer_is_renewed_the_one_before_counts() {
        let (mut table, pair, now) = (AnswerTable::default(), pair(), Instant::now());
        table.note_answer(pair, now, 10 * SECOND, Some(AccessLevel::Edit));
        table.begin(pair, 1);
        assert_eq!(known(&table, pair, now + 9 * SECOND), "answered");
        assert_eq!(known(&table, pair, now + 10 * SECOND), "asking");
        table.note_failure(pair, now + 9 * SECOND);
        assert_eq!(known(&table, pair, now + 9 * SECOND), "answered");
        assert_eq!(table.due(now + 9 * SECOND), [pair]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_question_is_not_asked_again_for_a_while() {
        let (mut table, pair, now) = (AnswerTable::default(), pair(), Instant::now());
        table.begin(pair, 1);
        table.note_failure(pair, now + SECOND);
        assert_eq!(known(&table, pair, now), "failed");
        assert_eq!(known(&table, pair, now + SECOND), "nothing");
        assert!(table.due(now + SECOND).is_empty());
    }
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_gave_a_level_can_be_forgotten() {
        let (mut table, pair, now) = (AnswerTable::default(), pair(), Instant::now());
        assert!(!table.forget_above(pair, None));
        table.note_answer(pair, now, SECOND, None);
        assert!(!table.forget_above(pair, None));
        table.note_answer(pair, now, SECOND, Some(AccessLevel::Edit));
        table.begin(pair, 1);
        assert_eq!(table.asking_about(pair.1), [pair.0]);
        assert!(table.forget_above(pair, None));
        assert_eq!(known(&table, pair, now), "asking");
        table.note_answer(pair, now, SECOND, Some(AccessLevel::Edit));
        assert!(table.forget_above(pair, None));
        assert_eq!(known(&table, pair, now), "nothing");
        table.note_answer(pair, now, SECOND, Some(AccessLevel::Edit));
        assert!(!table.forget_above(pair, Some(AccessLevel::Edit)));
        assert!(table.forget_above(pair, Some(AccessLevel::View)));
        table.begin(pair, 1);
        table.end(pair);
        assert_eq!(known(&table, pair, now), "nothing");
    }
}
