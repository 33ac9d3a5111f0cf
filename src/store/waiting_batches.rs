//! The batches that wait for a group commit. Their authors take turns.
//!
//! A batch of megabytes takes a commit by itself. Without turns, one user who changes many large documents would delay every
//! other commit of the node by all of theirs. With turns they delay it by one, but each time. So their next large batch waits
//! for [`PAUSE_FACTOR`] times as long as the last one took, if others have stored something since: large batches of one
//! author delay only few commits of others.
//!
//! Invariant: `order` has each author with waiting batches once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::Batch;
use crate::domain::UserId;

/// How many rows one group may store, unless a single batch has more.
const MAX_GROUP_ROWS: usize = 1024;

/// How many bytes one group may store, unless a single batch has more.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// From how many bytes on a batch is large.
const LARGE_BYTES: usize = 1024 * 1024;

/// How many times as long as a large batch took the next one of its author waits.
const PAUSE_FACTOR: u32 = 9;

/// The longest pause. It is shorter than `store.acquire_within` by default, after which a batch is refused.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The author of the first change of a batch, who stands for all its authors.
pub(super) type BatchAuthor = Option<UserId>;

/// Returns the author of a batch.
pub(super) fn author_of(batch: &Batch) -> BatchAuthor {
    batch.required_levels().next().map(|(author, _)| author)
}

/// Whether a batch takes long to store.
pub(super) fn is_large(batch: &Batch) -> bool {
    batch.estimated_bytes() >= LARGE_BYTES
}

/// The pause of an author after a large batch.
struct Pause {
    until: Instant,
    /// Whether others have stored something since.
    has_others: bool,
}

/// The waiting batches, each with what its sender waits for.
pub(super) struct WaitingBatches<R> {
    by_author: HashMap<BatchAuthor, VecDeque<(Batch, R)>>,
    order: VecDeque<BatchAuthor>,
    pauses: HashMap<BatchAuthor, Pause>,
    count: usize,
}

impl<R> Default for WaitingBatches<R> {
    fn default() -> Self {
        Self { by_author: HashMap::new(), order: VecDeque::new(), pauses: HashMap::new(), count: 0 }
    }
}

impl<R> WaitingBatches<R> {
    /// Returns the number of batches.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, batch: Batch, rest: R) {
        let author = author_of(&batch);
        let waiting = self.by_author.entry(author).or_default();
        if waiting.is_empty() {
            self.order.push_back(author);
        }
        waiting.push_back((batch, rest));
        self.count += 1;
    }

    /// Notes that a large batch of an author was committed, and how long that took.
    pub(super) fn note_large(&mut self, author: BatchAuthor, took: Duration, now: Instant) {
        let until = now + (took * PAUSE_FACTOR).min(MAX_PAUSE);
        self.pauses.insert(author, Pause { until, has_others: false });
    }

    /// Returns when the next group can be taken: now, or when the first pause ends. `None` if nothing waits.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.order.iter().map(|author| self.paused_until(*author).unwrap_or(now)).min()
    }

    /// Returns the end of the pause of an author whose next batch is large.
    fn paused_until(&self, author: BatchAuthor) -> Option<Instant> {
        let pause = self.pauses.get(&author).filter(|pause| pause.has_others)?;
        let (next, _) = self.by_author.get(&author)?.front()?;
        is_large(next).then_some(pause.until)
    }

    fn note_taken(&mut self, group: &[(Batch, R)]) {
        if self.pauses.is_empty() {
            return;
        }
        for (batch, _) in group {
            let author = author_of(batch);
            let others = self.pauses.iter_mut().filter(|(paused, _)| **paused != author);
            others.for_each(|(_, pause)| pause.has_others = true);
        }
    }

    /// Removes the batches to commit next: one of each author in turn, until the group is full or a document would occur
    /// twice. Large batches of authors who pause stay.
    pub(super) fn take_group(&mut self, now: Instant) -> Vec<(Batch, R)> {
        self.pauses.retain(|_, pause| pause.until > now);
        let (mut group, mut documents, mut rows, mut bytes) = (vec![], HashSet::new(), 0, 0);
        let mut pausing = vec![];
        while let Some(author) = self.order.pop_front() {
            if self.paused_until(author).is_some() {
                pausing.push(author);
                continue;
            }
            let Some(waiting) = self.by_author.get_mut(&author) else { continue };
            let next = waiting.pop_front_if(|(batch, _)| {
                rows += batch.row_count();
                bytes += batch.estimated_bytes();
                let fits = rows <= MAX_GROUP_ROWS && bytes <= MAX_GROUP_BYTES;
                documents.insert(batch.document) && (fits || group.is_empty())
            });
            match (next, waiting.is_empty()) {
                // It did not fit. The next group begins with it.
                (None, false) => {
                    self.order.push_front(author);
                    break;
                }
                (next, false) => {
                    group.extend(next);
                    self.order.push_back(author);
                }
                (next, true) => {
                    group.extend(next);
                    self.by_author.remove(&author);
                }
            }
        }
        // They keep their turn.
        pausing.into_iter().rev().for_each(|author| self.order.push_front(author));
        self.count -= group.len();
        self.note_taken(&group);
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::DocumentId,
        store::test_store::{batch, edited},
    };

    fn push(waiting: &mut WaitingBatches<u8>, author: UserId, bytes: usize, name: u8) {
        let change = edited(author, &"x".repeat(bytes));
        waiting.push(batch(DocumentId::new(), 1, vec![change]), name);
    }

    fn group(waiting: &mut WaitingBatches<u8>) -> Vec<u8> {
        group_at(waiting, Instant::now())
    }

    fn group_at(waiting: &mut WaitingBatches<u8>, now: Instant) -> Vec<u8> {
        waiting.take_group(now).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn an_author_of_large_batches_pauses_while_others_store_something() {
        let (mut waiting, ana, bo) = (WaitingBatches::default(), UserId::new(), UserId::new());
        let (now, took) = (Instant::now(), Duration::from_millis(100));
        let end = now + took * PAUSE_FACTOR;
        push(&mut waiting, ana, LARGE_BYTES, 1);
        assert_eq!(group_at(&mut waiting, now), [1]);
        waiting.note_large(Some(ana), took, now);

        // No other author has stored anything.
        push(&mut waiting, ana, LARGE_BYTES, 2);
        assert_eq!(waiting.next_at(now), Some(now));
        assert_eq!(group_at(&mut waiting, now), [2]);
        waiting.note_large(Some(ana), took, now);

        push(&mut waiting, bo, 1, 11);
        push(&mut waiting, ana, LARGE_BYTES, 3);
        assert_eq!(group_at(&mut waiting, now), [11, 3], "both were waiting");
        waiting.note_large(Some(ana), took, now);
        push(&mut waiting, bo, 1, 12);
        assert_eq!(group_at(&mut waiting, now), [12]);
        push(&mut waiting, ana, LARGE_BYTES, 4);
        assert_eq!(waiting.next_at(now), Some(end));
        push(&mut waiting, bo, LARGE_BYTES, 13);
        assert_eq!(waiting.next_at(now), Some(now));
        assert_eq!(group_at(&mut waiting, now), [13], "others do not pause");
        assert!(group_at(&mut waiting, now).is_empty());
        assert_eq!(waiting.len(), 1);
        assert_eq!(group_at(&mut waiting, end), [4]);
        assert_eq!(waiting.next_at(end), None);
    }

    #[test]
    fn small_batches_of_a_pausing_author_do_not_wait() {
        let (mut waiting, ana, bo) = (WaitingBatches::default(), UserId::new(), UserId::new());
        let now = Instant::now();
        waiting.note_large(Some(ana), MAX_PAUSE, now);
        push(&mut waiting, bo, 1, 11);
        assert_eq!(group_at(&mut waiting, now), [11]);
        push(&mut waiting, ana, 1, 1);
        push(&mut waiting, ana, LARGE_BYTES, 2);
        assert_eq!(group_at(&mut waiting, now), [1]);
        assert_eq!(waiting.next_at(now), Some(now + MAX_PAUSE), "the longest pause");
    }

    #[test]
    fn large_batches_of_one_author_delay_another_by_one() {
        let (mut waiting, ana, bo) = (WaitingBatches::default(), UserId::new(), UserId::new());
        for name in 1..=3 {
            push(&mut waiting, ana, MAX_GROUP_BYTES, name);
        }
        for name in 11..=13 {
            push(&mut waiting, bo, 100, name);
        }
        assert_eq!(group(&mut waiting), [1]);
        assert_eq!(group(&mut waiting), [11]);
        assert_eq!(waiting.len(), 4);
        let rest: Vec<_> = std::iter::from_fn(|| {
            let group = group(&mut waiting);
            (!group.is_empty()).then_some(group)
        })
        .collect();
        assert_eq!(rest.concat(), [2, 12, 3, 13]);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn small_batches_share_a_group_and_keep_the_order_of_each_author() {
        let (mut waiting, ana, bo) = (WaitingBatches::default(), UserId::new(), UserId::new());
        for name in 1..=3 {
            push(&mut waiting, ana, 1, name);
        }
        push(&mut waiting, bo, 1, 11);
        assert_eq!(group(&mut waiting), [1, 11, 2, 3]);
        assert!(group(&mut waiting).is_empty());
    }

    #[test]
    fn a_document_occurs_once_in_a_group() {
        let (mut waiting, ana) = (WaitingBatches::default(), UserId::new());
        let document = DocumentId::new();
        for name in 1..=2 {
            waiting.push(batch(document, name.into(), vec![edited(ana, "x")]), name);
        }
        assert_eq!(group(&mut waiting), [1]);
        assert_eq!(group(&mut waiting), [2]);
    }
}
