//! The batches that wait for a group commit. Their authors take turns.
//!
//! A batch of megabytes takes a commit by itself. Without turns, one user who changes many large documents would delay every
//! other commit of the node by all of theirs. With turns they delay it by one.
//!
//! Invariant: `order` has each author with waiting batches once.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Batch;
use crate::domain::UserId;

/// How many rows one group may store, unless a single batch has more.
const MAX_GROUP_ROWS: usize = 1024;

/// How many bytes one group may store, unless a single batch has more.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// The waiting batches, each with what its sender waits for.
pub(super) struct WaitingBatches<R> {
    /// By the author of the first change, who stands for all authors of the batch.
    by_author: HashMap<Option<UserId>, VecDeque<(Batch, R)>>,
    order: VecDeque<Option<UserId>>,
    count: usize,
}

impl<R> Default for WaitingBatches<R> {
    fn default() -> Self {
        Self { by_author: HashMap::new(), order: VecDeque::new(), count: 0 }
    }
}

impl<R> WaitingBatches<R> {
    /// Returns the number of batches.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, batch: Batch, rest: R) {
        let author = batch.required_levels().next().map(|(author, _)| author);
        let waiting = self.by_author.entry(author).or_default();
        if waiting.is_empty() {
            self.order.push_back(author);
        }
        waiting.push_back((batch, rest));
        self.count += 1;
    }

    /// Removes the batches to commit next: one of each author in turn, until the group is full or a document would occur
    /// twice.
    pub(super) fn take_group(&mut self) -> Vec<(Batch, R)> {
        let (mut group, mut documents, mut rows, mut bytes) = (vec![], HashSet::new(), 0, 0);
        while let Some(author) = self.order.pop_front() {
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
        self.count -= group.len();
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
        waiting.take_group().into_iter().map(|(_, name)| name).collect()
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
